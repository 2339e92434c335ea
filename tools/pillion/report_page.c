/* One file that needs nothing else: the page's policy allows its own style and script by their sums, and no request.
 * What strangers wrote (names, arguments, tags) stands in JSON in which each `<` is escaped: no word ends the element
 * that it stands in. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mbedtls/base64.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "report.h"

enum { SUM_SIZE = 32, SUM_TEXT_MAX = 48 };

static void sum_of(const char *text, char ret[static SUM_TEXT_MAX])
{
    unsigned char sum[SUM_SIZE];
    size_t        len = 0;
    ret[0] = '\0';
    if (mbedtls_sha256((const unsigned char *)text, strlen(text), sum, 0) == 0)
        (void)mbedtls_base64_encode((unsigned char *)ret, SUM_TEXT_MAX, &len, sum, sizeof sum);
}

static void add_html(struct bytes *b, const char *text)
{
    bool good;
    for (size_t len; *text != '\0'; text += len) {
        len = text_character(text, &good);
        if (*text == '<' || *text == '&' || *text == '"')
            bytes_format(b, "&#%d;", *text);
        else
            bytes_add(b, good ? text : "?", good ? len : 1);
    }
}

/* The parts of page.html stand between marks: {{policy}}, {{title}}, {{style}}, {{data}}, {{script}}. */
static const char *until(struct bytes *page, const char *html, const char *mark)
{
    const char *at = strstr(html, mark);
    bytes_add(page, html, at != NULL ? (size_t)(at - html) : strlen(html));
    return at != NULL ? at + strlen(mark) : "";
}

void report_page_begin(struct bytes *page, const char *title)
{
    char        script[SUM_TEXT_MAX], style[SUM_TEXT_MAX];
    const char *html = until(page, report_html, "{{policy}}");
    sum_of(report_script, script);
    sum_of(report_style, style);
    bytes_format(
        page, "default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'",
        script, style);
    html = until(page, html, "{{title}}");
    add_html(page, title);
    html = until(page, html, "{{style}}");
    bytes_text(page, report_style);
    (void)until(page, html, "{{data}}");
}

int report_page_curves(struct bytes *page, const struct report_run *run, size_t number, size_t budget, size_t *ret_per)
{
    bytes_format(page, "<script type=\"application/octet-stream\" id=\"curves%zu\">", number);
    int result = curves_encode(&run->curves, budget, page, ret_per);
    bytes_text(page, "</script>\n");
    return result;
}

int report_page_end(struct bytes *page, cJSON *known)
{
    const char *html = strstr(report_html, "{{data}}");
    char       *text = cJSON_PrintUnformatted(known);
    cJSON_Delete(known);
    if (text == NULL || html == NULL)
        return -ENOMEM;
    bytes_text(page, "<script type=\"application/json\" id=\"known\">");
    bool good;
    for (size_t at = 0, len; text[at] != '\0'; at += len) {
        len = text_character(text + at, &good);
        if (text[at] == '<')
            bytes_text(page, "\\u003c");
        else if (good)
            bytes_add(page, text + at, len);
        else
            bytes_format(page, "\\u%04x", text_code(text + at, len));
    }
    cJSON_free(text);
    bytes_text(page, "</script>\n");
    html = until(page, html + strlen("{{data}}"), "{{script}}");
    bytes_text(page, report_script);
    bytes_text(page, html);
    return page->failed ? -ENOMEM : 0;
}
