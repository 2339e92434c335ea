/* `pillion report`: what it knows of each run, and what it makes of them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_REPORT_H
#define PILLION_REPORT_H

#include "base/bytes.h"
#include "curves.h"
#include "ending.h"
#include "fields.h"
#include "filter.h"
#include "findings.h"
#include "runs.h"
#include "show.h"

enum {
    REPORT_RUNS_MAX = 5000,
    REPORT_OVERLAID_MAX = 20, /* more are a heat map and a table */
    REPORT_PAGE_MAX = 64 * 1024 * 1024,
    REPORT_CURVES_MAX = 880 * 1024, /* bytes of base64 in a page, of all runs together */
};

struct report_run {
    struct run_place place;
    struct show      show;
    struct curves    curves;
    struct record    record;
    struct ending    ending;
    struct findings  findings;
};

/* Opens and reads RUN; says what is wrong on stderr when it is not 0. */
int report_load(const char *name, struct report_run *ret);
/* The same of a run that is open; ret has the place then, whatever is returned. */
int  report_read(const struct run_place *place, struct report_run *ret);
void report_done(struct report_run *run);

/* report_json.c: what the page knows of a run besides its curves. `per` rows are one there. */
cJSON *report_json(const struct report_run *run, size_t per);
/* The same with CPU and memory over the run's time in few numbers, for a page of many runs. */
cJSON      *report_json_small(const struct report_run *run);
const char *report_name(const struct report_run *run); /* the job's name, else the program's, else the ID */
/* Of the state a word, and why: "out of memory" goes before "killed". */
const char *report_word(const struct report_run *run);
const char *report_reason(const struct report_run *run);

/* report_page.c: the page's beginning, the curves of a run, the page's end with all that is known. Takes `known`. */
void report_page_begin(struct bytes *page, const char *title);
int report_page_curves(struct bytes *page, const struct report_run *run, size_t number, size_t budget, size_t *ret_per);
int report_page_end(struct bytes *page, cJSON *known);

/* What every page knows; a kind is one of page.js. */
cJSON *report_known(const char *kind);

/* report_job.c: the whole page, and a name for its file. *ret_whole: all runs of the job are in it. 0; -errno and a
 * sentence. */
int report_job(const struct filter *filter, struct bytes *page, char ret_id[static RUN_DIR_ID_MAX], bool *ret_whole);

/* report_markdown.c: at most 60 lines, in calls for run 0, 1 … of `count`. */
void report_markdown_add(struct bytes *b, const struct report_run *run, size_t number, size_t count);

/* Made at build from report/: page.html, style.css, charts.js and page.js. */
extern const char report_html[], report_style[], report_script[];

#endif
