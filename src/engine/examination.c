// SPDX-License-Identifier: Apache-2.0
#include "engine/examination.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

enum { SENTENCE_MAX = 1024 };

void examination_tell(const struct engine_examination *e, const char *check, enum engine_finding finding,
                      const char *format, ...)
{
    char    sentence[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    e->report(e->context, check, finding, sentence);
}

bool examination_tell_log(const struct engine_examination *e, const char *check, const struct log *log)
{
    struct text rest = text_span(log->early.data, log->early.len);
    struct text line;
    struct text word;
    bool        any = false;
    while (text_line(&rest, &line)) {
        (void)text_until(&line, ' ', &word);
        (void)text_until(&line, ' ', &word);
        any = true;
        examination_tell(e, check, ENGINE_CAUSE, "%.*s", (int)text_len(line), line.at);
    }
    return any;
}
