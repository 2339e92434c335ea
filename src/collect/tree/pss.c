/* The purse: what is in doubt is priced, and the readings that settle most for their price are bought. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/pss.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"
#include "collect/collect.h"
#include "collect/tree/process_stat.h"
#include "collect/tree/pss_exact.h"
#include "collect/tree/pss_survey.h"

#define PURSE_FIRST  (20 * CLOCK_MILLISECOND)
#define PURSE_MAX    (60 * CLOCK_MILLISECOND)
#define PURSE_INCOME (2 * CLOCK_MILLISECOND)  /* a second */
#define ROW_MAX      (45 * CLOCK_MILLISECOND) /* by price: readings may turn out dearer */
#define EXACT_MAX    (50 * CLOCK_MILLISECOND)

/* A reading may lead so deep into debt, by how far the doubt is above its bound. */
#define DEBT_LARGE (80 * CLOCK_MILLISECOND)
#define DEBT_SMALL (20 * CLOCK_MILLISECOND)

#define DOUBT_RATIO 0.03
#define DOUBT_MIN   (5 * 1024.0)

/* Small readings go on, while there is plenty, until little is in doubt. */
#define FINE_RATIO 0.01
#define FINE_MIN   512.0
#define FINE_MAX   (4 * CLOCK_MILLISECOND) /* a row */
#define FINE_PURSE (10 * CLOCK_MILLISECOND)

/* A row is wrong that is off by more than this. */
#define WRONG_RATIO 0.05
#define WRONG_MIN   (8 * 1024.0)

/* A larger change of a process's pages of files is no chance of so few windows. */
#define GLANCE_CHANGE 0.3

#define EXACT_FIXED_NS 120000.0
/* 12.5 ms per GiB: 3 to 14 were measured with 4 KiB pages for large ones. A first guess must not break the bound of a
 * row. */
#define EXACT_FIRST_NS_PER_KIB (12.5e6 / 1048576)
#define LOOK_FIRST_NS          1500.0
#define MAPS_FIRST_NS          60000.0

enum { LEARNED_MIN = 2048 /* KiB */ };

enum {
    WINDOWS_OF_FAMILY = 512,
    WINDOWS_OF_FILES = 384,
    WINDOWS_OF_GLANCE = 24,
    OFFERS = 16,
    TURNS = 24,
    ASKED = 5,
    ENDED_ASKED = 64
};

void pss_init(struct pss *pss, uint64_t page_bytes, pid_t except)
{
    long numbers = sysconf(_SC_OPEN_MAX);
    *pss = (struct pss){.page_bytes = page_bytes,
                        .except = except,
                        .purse = PURSE_FIRST,
                        .ns_per_kib = EXACT_FIRST_NS_PER_KIB,
                        .ns_per_look = LOOK_FIRST_NS,
                        .ns_per_maps = MAPS_FIRST_NS,
                        .surveyed_max = PSS_SURVEYED_MAX};
    if (numbers >= 0 && numbers < 4L * PSS_SURVEYED_MAX) /* each takes one number while it is looked at */
        pss->surveyed_max = numbers < 32 ? 8 : (unsigned)numbers / 4;
}

void pss_done(struct pss *pss)
{
    pss_families_done(&pss->families);
}

/* The spending of one row. */
struct row {
    struct pss           *pss;
    struct process_table *table;
    struct pss_now        now;
    int64_t               start;   /* ns of CPU */
    int64_t               counted; /* ns that the counters took */
    double                kib, doubt;
    double                bound;      /* of the doubt; above it, readings are bought */
    bool                  is_fine;    /* the doubt is below what it has to be */
    double                files_each; /* ns: price of a survey of files for each one that it would look at */
    bool                  files_done;
};

enum kind { EXACT, SURVEY, FILES };

struct offer {
    double    worth; /* KiB of doubt for each ns */
    enum kind kind;
    size_t    family;
    double    doubt;
    double    price; /* ns */
};

static int64_t spent(const struct row *row)
{
    return clock_thread_cpu() - row->start;
}

/* A price too low breaks the budget; a price too high only makes figures rarer. So it goes up at once, and down slowly.
 */
static void learn_price(double *price, double paid)
{
    if (paid > *price)
        *price = paid;
    else
        *price += (most(paid, 0) - *price) * 0.3;
}

/* ---- what readings cost ---- */

static double price_exact(const struct pss *pss, unsigned count, double resident)
{
    return count * EXACT_FIXED_NS + resident * pss->ns_per_kib;
}

static unsigned windows_of_family(const struct pss *pss)
{
    return pss->purse < 0                        ? WINDOWS_OF_FAMILY / 2
           : pss->purse > 10 * CLOCK_MILLISECOND ? WINDOWS_OF_FAMILY * 3 / 2
                                                 : WINDOWS_OF_FAMILY;
}

static double price_survey(const struct pss *pss, unsigned count)
{
    unsigned members = count < pss->surveyed_max ? count : pss->surveyed_max;
    double   asked = members > ASKED ? ASKED : (double)members - 1;
    return windows_of_family(pss) * (1 + 0.8 * asked) * pss->ns_per_look + members * pss->ns_per_maps;
}

static double price_files(const struct pss *pss, unsigned count)
{
    unsigned members = count < pss->surveyed_max ? count : pss->surveyed_max;
    double   asked = members > ASKED ? ASKED : (double)members - 1;
    return WINDOWS_OF_FILES * (1 + 0.7 * asked) * pss->ns_per_look + members * pss->ns_per_maps * 1.5;
}

/* ---- what is known ---- */

struct sum {
    double   anonymous, file; /* RSS */
    double   file_pss, file_doubt, hugetlb, hugetlb_doubt;
    unsigned count, readable;
    bool     has_huge;
    bool     is_vague; /* the survey of files in this reading did not tell */
};

static bool is_surveyed_by_file(const struct process *p)
{
    return p->pss.family && !p->pss.is_alias && (double)p->pss.file >= PSS_BIG && pss_exact_is_readable(p);
}

/* A survey of files counts a page wrongly that some of the tree and others outside share. So a process that can be read
 * exactly for the same price is not left to the survey. */
static bool is_left_to_survey(const struct row *row, const struct process *p)
{
    double exact = price_exact(row->pss, 1, (double)p->pss.anonymous + (double)p->pss.file);
    return (double)p->pss.file >= PSS_BIG && exact > 1.5 * row->files_each;
}

static struct sum sum_of(const struct row *row, const struct pss_family *family)
{
    struct sum sum = {0};
    uint64_t   shared_hugetlb = 0;
    for (struct process *p = NULL; (p = pss_family_next(family, row->table, p));) {
        const struct pss_member *m = &p->pss;
        bool                     is_left = is_left_to_survey(row, p);
        bool                     vague = row->files_done && is_left && m->file_doubt > 0.05F * (float)m->file;
        sum.anonymous += (double)m->anonymous;
        sum.file += (double)m->file;
        sum.file_pss += m->file_pss;
        sum.file_doubt += !is_left || vague ? m->file_doubt : 0;
        sum.hugetlb += (double)m->own_hugetlb;
        sum.hugetlb_doubt += m->hugetlb_doubt;
        shared_hugetlb = m->hugetlb - m->own_hugetlb > shared_hugetlb ? m->hugetlb - m->own_hugetlb : shared_hugetlb;
        sum.count++;
        sum.readable += pss_exact_is_readable(p);
        sum.has_huge |= m->has_huge;
        sum.is_vague |= vague;
    }
    sum.hugetlb += (double)shared_hugetlb;
    return sum;
}

/* Sums up the tree, and refreshes what is guessed. */
static void look_over(struct row *row)
{
    struct pss_families *families = &row->pss->families;
    unsigned             count = 0;
    row->kib = row->doubt = 0;
    for (size_t i = 0; i < row->table->count; i++) {
        struct process *p = &row->table->list[i];
        if (p->pss.is_there && !p->pss.family) /* there was no memory for it */
            row->kib += (double)p->resident_kib;
        else if (p->pss.is_there && p->pss.guessed && !p->pss.file_known)
            pss_kind_guess(families, p);
        if (p->pss.family && !p->pss.is_alias) {
            row->kib += p->pss.file_pss;
            row->doubt += p->pss.file_doubt + p->pss.hugetlb_doubt;
            count += is_surveyed_by_file(p);
        }
    }
    row->files_each = count > 0 ? price_files(row->pss, count) / count : 0;
    for (size_t i = 0; i < families->count; i++) {
        struct pss_family *family = &families->list[i];
        if (!family->key || !family->first)
            continue;
        pss_family_bound(family, row->table);
        row->kib += family->anonymous;
        if (row->now.hugetlb)
            row->kib += sum_of(row, family).hugetlb;
        row->doubt += family->doubt;
    }
    row->bound = most(DOUBT_MIN, DOUBT_RATIO * row->kib);
    row->is_fine = row->doubt <= row->bound;
    if (row->is_fine)
        row->bound = most(FINE_MIN, FINE_RATIO * row->kib);
}

static bool is_affordable(const struct row *row, double price)
{
    int64_t debt = row->doubt > 2 * row->bound ? DEBT_LARGE : row->doubt > 1.3 * row->bound ? DEBT_SMALL : 0;
    double  purse = (double)(row->pss->purse - spent(row));
    if (row->is_fine)
        return price <= least((double)(FINE_MAX - (spent(row) - row->counted)), (purse - (double)FINE_PURSE) / 4);
    return price <= (double)(ROW_MAX - spent(row)) && purse - price >= (double)-debt;
}

/* ---- offers ---- */

static bool is_done(const struct row *row, const struct pss_family *family)
{
    return family->read_row == row->now.row && (family->read_exactly || !family->is_ambiguous);
}

static bool is_mixed(const struct pss_family *family)
{
    return family->mixed > 0.01 * family->anonymous;
}

/* Offers an exact reading if it is not much dearer, or where a survey would not tell. */
static bool offer_family(const struct row *row, size_t index, struct offer *ret)
{
    const struct pss_family *family = &row->pss->families.list[index];
    struct sum               sum = {0};
    if (!family->key || !family->first || (is_done(row, family) && !row->files_done))
        return false;
    sum = sum_of(row, family);
    double doubt = family->doubt + sum.file_doubt + sum.hugetlb_doubt;
    if (sum.readable == 0 || doubt < 0.04 * row->bound || (is_done(row, family) && !sum.is_vague))
        return false;
    double exact = price_exact(row->pss, sum.count, sum.anonymous + sum.file);
    double survey = price_survey(row->pss, sum.count);
    bool   is_dear = exact >= 1.5 * survey;
    bool   has_to = sum.is_vague || sum.has_huge || sum.hugetlb_doubt > 0 || family->is_ambiguous || is_mixed(family) ||
                  (sum.count == 1 && family->is_leaky);
    *ret = (struct offer){
        .kind = is_dear && !(has_to && exact < (double)EXACT_MAX) ? SURVEY : EXACT, .family = index, .doubt = doubt};
    if (ret->kind == EXACT && !is_affordable(row, exact) && is_dear)
        ret->kind = SURVEY;
    if (ret->kind == SURVEY && family->read_row == row->now.row)
        return false;
    ret->price = ret->kind == EXACT ? exact : survey;
    ret->worth = doubt / ret->price;
    return is_affordable(row, ret->price);
}

static bool offer_files(const struct row *row, struct offer *ret)
{
    double   doubt = 0;
    unsigned count = 0;
    for (size_t i = 0; i < row->table->count && !row->files_done; i++) {
        const struct process *p = &row->table->list[i];
        if (!is_surveyed_by_file(p))
            continue;
        doubt += is_left_to_survey(row, p) ? p->pss.file_doubt : 0;
        count++;
    }
    double price = price_files(row->pss, count);
    *ret = (struct offer){.kind = FILES, .worth = doubt / price, .doubt = doubt, .price = price};
    return count > 0 && doubt > 0.1 * row->bound && is_affordable(row, price);
}

/* Keeps the best offers, in order. */
static void keep(struct offer list[static OFFERS], size_t *count, const struct offer *offer)
{
    size_t at = *count;
    while (at > 0 && list[at - 1].worth < offer->worth)
        at--;
    if (at == OFFERS)
        return;
    size_t kept = *count < OFFERS ? *count : OFFERS - 1;
    memmove(&list[at + 1], &list[at], (kept - at) * sizeof *list);
    list[at] = *offer;
    *count = kept + 1;
}

/* ---- readings ---- */

/* Learns a part: of `amount`, `*part` had been counted, and the sum turned out to be so much more. */
static void learn_part(float *part, float *doubt, double amount, double more, double weight)
{
    double seen = most(0, least(1, *part + more / amount));
    double off = least(0.5, 1.5 * distance(seen, *part));
    *doubt += (float)((off - *doubt) * weight);
    *part += (float)((seen - *part) * weight);
}

/* Learns from a reading how many unexplained faults since the last one were copies. */
static void learn_copied(struct pss_family *family, double anonymous)
{
    if (family->unexplained > LEARNED_MIN && family->read_row > 0)
        learn_part(&family->copied, &family->copied_doubt, family->unexplained, anonymous - family->anonymous, 0.5);
    family->copied_doubt = (float)most(family->copied_doubt, 0.1);
    family->unexplained = 0;
}

/* Learns how much of the files mapped since the last reading nobody else had; the sum went from `before` to `now`. */
static void learn_mapped(struct pss_family *family, double before, double now)
{
    if (family->mapping > LEARNED_MIN)
        learn_part(&family->mapped, &family->mapped_doubt, family->mapping, now - before, 0.75);
    family->mapped_doubt = (float)most(family->mapped_doubt, 0.03);
    family->mapping = 0;
}

/* A process that is just ending seems to hold its pages: a figure from that moment is believed when seen again. */
static void settle_leftover(struct pss_family *family, double anonymous, double resident)
{
    bool is_same = distance(anonymous, family->last) <= 0.02 * resident;
    family->is_unchecked = false;
    family->is_leaky = anonymous < 0.97 * resident - 1024;
    if (!is_same)
        family->agreed = 0;
    else if (family->agreed < PSS_AGREED_MAX)
        family->agreed++;
    if (family->is_leaky && !is_same)
        family->doubt = (float)(0.1 * resident);
    family->last = (float)anonymous;
}

static void buy_exact(struct row *row, struct pss_family *family)
{
    struct pss_exact exact;
    double           file = sum_of(row, family).file_pss;
    pss_exact_read(&row->pss->families, family, row->table, &row->now, &exact);
    if (exact.walked > 128 * 1024) /* small processes say more of the caches */
        learn_price(&row->pss->ns_per_kib,
                    ((double)exact.nanoseconds - exact.count * EXACT_FIXED_NS / 4) / exact.walked);
    if (exact.resident > 0) {
        double anonymous = exact.anonymous + exact.unread * exact.anonymous / exact.resident;
        double all = exact.resident + exact.unread;
        if (family->count > 1)
            learn_copied(family, anonymous);
        family->anonymous = anonymous;
        family->doubt = (float)(exact.unread / 4 + exact.touched / 2);
        if (family->count == 1)
            settle_leftover(family, anonymous, all);
        else if (family->left_row == row->now.row)
            family->doubt += (float)(0.05 * anonymous);
        family->is_ambiguous = false;
        learn_mapped(family, file, sum_of(row, family).file_pss);
    }
    family->read_row = row->now.row;
    family->read_exactly = true;
}

/* Puts p into a list of at most `max`, where those behind it move on; returns how many it has then. */
static unsigned insert_at(struct process **list, unsigned count, unsigned max, unsigned at, struct process *p)
{
    if (at >= max)
        return count;
    unsigned kept = count < max ? count : max - 1;
    memmove(&list[at + 1], &list[at], (kept - at) * sizeof list[at]); // NOLINT(bugprone-sizeof-expression): pointers
    list[at] = p;
    return kept + 1;
}

/* Chooses the members of a large family that have most for themselves: they are not like the others. */
static unsigned choose_different(const struct row *row, const struct pss_family *family, unsigned max,
                                 struct process *ret[static PSS_SURVEYED_MAX])
{
    unsigned count = 0;
    for (struct process *p = NULL; (p = pss_family_next(family, row->table, p));) {
        unsigned at = count;
        while (at > 0 && ret[at - 1]->pss.own < p->pss.own)
            at--;
        if (pss_exact_is_readable(p))
            count = insert_at(ret, count, max, at, p);
    }
    return count;
}

static bool is_among(const struct process *p, struct process *const *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (list[i] == p)
            return true;
    return false;
}

/* Chooses all members. Of a large family it takes those that differ, and every so manyeth of the others, other ones
 * each time, which stand for the rest. *ret_rest: where these begin. */
static unsigned choose_members(const struct row *row, const struct pss_family *family, unsigned count,
                               struct process *ret[static PSS_SURVEYED_MAX], unsigned *ret_rest)
{
    unsigned max = row->pss->surveyed_max;
    unsigned different = max / 4;
    bool     is_large = count > max;
    unsigned chosen = is_large ? choose_different(row, family, different, ret) : 0;
    unsigned step = is_large ? (count + max - different - 1) / (max - different) : 1;
    unsigned index = 0;
    *ret_rest = chosen;
    for (struct process *p = NULL; (p = pss_family_next(family, row->table, p)); index++)
        if ((index + row->now.row) % step == 0 && pss_exact_is_readable(p) && chosen < max &&
            !is_among(p, ret, *ret_rest))
            ret[chosen++] = p;
    return chosen;
}

static double vague_doubt(const struct pss_member *m, double vague)
{
    bool   is_learned = m->outside > 0;
    double doubt = 0.2 * vague;
    return is_learned ? least(doubt, 0.3 * distance(vague, m->vague) + 0.01 * vague) : doubt;
}

static void note_file(const struct row *row, struct process *p, const struct pss_share *share, double doubt)
{
    struct pss_member *m = &p->pss;
    m->file_pss = (float)(least(1, share->ratio) * (double)m->file);
    m->file_doubt = (float)(doubt * (double)m->file);
    m->vague = (float)share->vague;
    m->guess = (float)share->guess;
    m->file_own = (float)share->own;
    m->file_known = true;
    m->file_row = row->now.row;
}

struct estimate {
    double   anonymous, resident, variance, vague;
    double   touched; /* in the meantime, at most */
    double   squares; /* of each one's PSS */
    unsigned count;
};

static struct pss_family *family_of(const struct row *row, const struct process *p)
{
    return &row->pss->families.list[p->pss.family - 1];
}

/* A survey does not tell of huge pages, which old kernels copy whole. */
static bool is_found_alias(const struct row *row, const struct process *p, double alone, unsigned pages_per_fault)
{
    return pss_family_is_alias(family_of(row, p), row->table, &row->now, p, alone, row->now.page * pages_per_fault);
}

static void take_surveyed(const struct row *row, struct process *p, const struct pss_surveyed *s,
                          struct estimate *estimate)
{
    struct pss_member      *m = &p->pss;
    const struct pss_share *share = &s->anonymous;
    double                  anonymous = (double)m->anonymous;
    bool                    may_be_alias = is_found_alias(row, p, share->own * anonymous, 1);
    if (may_be_alias && is_found_alias(row, p, share->own * anonymous, PSS_HUGE_PAGES)) {
        pss_family_make_alias(family_of(row, p), p);
        return;
    }
    /* Where nothing was found, as in a process that has little, the memory it was thought to have alone. */
    double ratio = share->pages > 0 ? share->ratio : anonymous > 0 ? least(1, m->own / anonymous) : 0;
    double error = share->pages > 8 ? share->error * anonymous : 0.3 * anonymous;
    if (share->pages > 0)
        m->own = (float)(share->own * anonymous);
    estimate->anonymous += ratio * anonymous;
    estimate->resident += anonymous;
    estimate->variance += error * error;
    estimate->squares += ratio * anonymous * ratio * anonymous;
    estimate->touched += pss_family_read_again(&row->now, p);
    estimate->count++;
    /* More than there is means pages of zeros, which were read but never written. They are no memory, but look like it.
     */
    bool has_zeros = share->present * (1 - 2 * share->error) > 1.3 * anonymous + 4096;
    /* An exact reading tells, where one can be bought. */
    estimate->vague += (has_zeros || may_be_alias ? 1 : share->vague / 4) * anonymous;
    double doubt = s->file.error + vague_doubt(m, s->file.vague) * 1.5;
    if (s->file.pages > 0 && (double)m->file < PSS_BIG && (!m->file_known || m->file_doubt > doubt * (double)m->file))
        note_file(row, p, &s->file, doubt);
}

/* Members that were read stand for the others, whose RSS is known. */
static void stand_for(struct estimate *some, double resident, unsigned count)
{
    if (some->count == 0 || some->resident <= 0)
        return;
    double scale = resident / some->resident;
    double mean = some->anonymous / some->count;
    double spread = most(0, some->squares / some->count - mean * mean);
    double others = count > some->count ? (double)count - some->count : 0;
    some->variance = some->variance * scale + spread * others * count / some->count;
    some->anonymous *= scale;
    some->vague *= scale;
}

/* The estimate so far counts, by how sure it is. What two groups may share counts as doubt where an exact reading can
 * settle it; others would be surveyed for ever. */
static void blend(const struct row *row, struct pss_family *family, const struct sum *sum, const struct estimate *read)
{
    double vague = read->vague + family->mixed;
    double error = 1.2 * root_of(read->variance) + vague + 4;
    double before = (double)family->doubt * family->doubt;
    double part = before / (before + error * error);
    if (read->count == 0)
        return;
    if (price_exact(row->pss, sum->count, sum->anonymous + sum->file) >= (double)EXACT_MAX)
        vague = read->vague;
    learn_copied(family, read->anonymous);
    family->anonymous += part * (read->anonymous - family->anonymous);
    family->doubt = (float)(root_of(read->variance * part) + vague + read->touched / 2);
    if (family->left_row == row->now.row)
        family->doubt += (float)(0.04 * family->anonymous);
    family->is_ambiguous = vague > 0.01 * family->anonymous;
    family->is_leaky = family->is_leaky && family->is_ambiguous;
}

/* A process that is left over alone may be too large to be read. If nearly all that was found is its own, so is all. */
static void settle_single(struct pss_family *family, const struct process *p, const struct pss_surveyed *s)
{
    double anonymous = (double)p->pss.anonymous;
    bool   is_own = s->anonymous.present * s->anonymous.own > 0.9 * anonymous || s->anonymous.own > 0.97;
    if (!family->is_leaky || s->anonymous.pages < 64)
        return;
    family->is_unchecked = false;
    family->is_leaky = !is_own;
    family->anonymous = is_own ? anonymous : s->anonymous.ratio * anonymous;
    family->doubt = is_own ? 0 : (float)(s->anonymous.error * anonymous);
}

static void learn_looks(struct pss *pss, const struct pss_survey *survey, unsigned count, int64_t cost)
{
    if (survey->looks > 50)
        learn_price(&pss->ns_per_look, most(300, ((double)cost - count * pss->ns_per_maps) / survey->looks));
}

/* Adds up the figures of the members from `first` on until `end`. */
static struct estimate add_up(const struct row *row, struct process *const *members, const struct pss_surveyed *list,
                              unsigned first, unsigned end)
{
    struct estimate estimate = {0};
    for (unsigned i = first; i < end; i++) {
        members[i]->pss.denied = list[i].error == -EACCES || list[i].error == -EPERM;
        if (list[i].error == 0)
            take_surveyed(row, members[i], &list[i], &estimate);
    }
    return estimate;
}

static void buy_survey(struct row *row, struct pss_family *family)
{
    struct process     *members[PSS_SURVEYED_MAX];
    struct pss_surveyed list[PSS_SURVEYED_MAX];
    struct sum          sum = sum_of(row, family);
    unsigned            rest = 0;
    unsigned            count = choose_members(row, family, sum.count, members, &rest);
    bool                is_single = sum.count == 1;
    struct pss_survey   survey = {.proc = row->now.proc,
                                  .page_bytes = row->pss->page_bytes,
                                  .seed = row->now.row + (uint32_t)family->key,
                                  .windows = windows_of_family(row->pss),
                                  .members = sum.count,
                                  .no_anonymous = is_single && !family->is_leaky};
    int64_t             start = clock_thread_cpu();
    for (unsigned i = 0; i < count; i++)
        list[i] = (struct pss_surveyed){.pid = members[i]->memory_of,
                                        .weight = (double)(members[i]->pss.anonymous + members[i]->pss.file),
                                        .outside = members[i]->pss.outside};
    (void)pss_survey_run(&survey, list, count);
    struct estimate all = add_up(row, members, list, 0, rest);
    struct estimate others = add_up(row, members, list, rest, count);
    sum = sum_of(row, family); /* without aliases that were found */
    stand_for(&others, sum.anonymous - all.resident, sum.count - all.count);
    all.anonymous += others.anonymous;
    all.variance += others.variance;
    all.vague += others.vague;
    all.touched += others.touched;
    all.count += others.count;
    if (is_single && count == 1 && list[0].error == 0)
        settle_single(family, members[0], &list[0]);
    else if (!is_single)
        blend(row, family, &sum, &all);
    family->read_row = row->now.row;
    family->read_exactly = false;
    learn_looks(row->pss, &survey, count, clock_thread_cpu() - start);
}

/* Takes the largest first: processes beyond the number that can be surveyed keep their figures. */
static unsigned choose_by_file(const struct row *row, struct process *ret[static PSS_SURVEYED_MAX])
{
    unsigned max = row->pss->surveyed_max;
    unsigned count = 0;
    for (size_t i = 0; i < row->table->count; i++) {
        struct process *p = &row->table->list[i];
        unsigned        at = count;
        if (!is_surveyed_by_file(p))
            continue;
        while (at > 0 && ret[at - 1]->pss.file < p->pss.file)
            at--;
        count = insert_at(ret, count, max, at, p);
    }
    return count;
}

static void take_files(const struct row *row, struct process *p, const struct pss_surveyed *s)
{
    struct pss_family *family = family_of(row, p);
    double             before = p->pss.file_pss;
    p->pss.denied = s->error == -EACCES || s->error == -EPERM;
    if (s->error)
        return;
    if (s->file.pages < 1) { /* there is little in much, or it was given up since the counters were read */
        p->pss.file_doubt = (float)most(p->pss.file_doubt, before);
        return;
    }
    note_file(row, p, &s->file, s->file.error + vague_doubt(&p->pss, s->file.vague));
    family->learned += (float)(p->pss.file_pss - before);
}

static void buy_files(struct row *row)
{
    struct process     *members[PSS_SURVEYED_MAX];
    struct pss_surveyed list[PSS_SURVEYED_MAX];
    unsigned            count = choose_by_file(row, members);
    struct pss_survey   survey = {.proc = row->now.proc,
                                  .page_bytes = row->pss->page_bytes,
                                  .seed = row->now.row,
                                  .windows = WINDOWS_OF_FILES,
                                  .by_file = true};
    int64_t             start = clock_thread_cpu();
    for (unsigned i = 0; i < count; i++)
        list[i] = (struct pss_surveyed){
            .pid = members[i]->memory_of, .weight = (double)members[i]->pss.file, .outside = members[i]->pss.outside};
    int error = pss_survey_run(&survey, list, count);
    for (unsigned i = 0; i < count && !error; i++)
        take_files(row, members[i], &list[i]);
    for (size_t i = 0; i < row->pss->families.count; i++) {
        struct pss_family *family = &row->pss->families.list[i];
        if (family->key && family->learned != 0)
            learn_mapped(family, 0, family->learned);
        family->learned = 0;
    }
    row->files_done = true;
    learn_looks(row->pss, &survey, count, clock_thread_cpu() - start);
}

static bool buy(struct row *row, const struct offer *offer)
{
    struct pss_family *family = &row->pss->families.list[offer->family];
    if (offer->kind == FILES)
        buy_files(row);
    else if (offer->kind == EXACT)
        buy_exact(row, family);
    else
        buy_survey(row, family);
    return offer->kind != FILES;
}

static size_t list_offers(const struct row *row, struct offer ret[static OFFERS])
{
    struct offer offer;
    size_t       count = 0;
    for (size_t i = 0; i < row->pss->families.count; i++)
        if (offer_family(row, i, &offer))
            keep(ret, &count, &offer);
    if (offer_files(row, &offer))
        keep(ret, &count, &offer);
    return count;
}

/* False if there was nothing to be had. */
static bool buy_best(struct row *row)
{
    struct offer list[OFFERS];
    size_t       count = list_offers(row, list);
    double       left = row->doubt;
    bool         bought = false;
    for (size_t i = 0; i < count && left > row->bound; i++) {
        if (!is_affordable(row, list[i].price)) /* any more */
            continue;
        left -= list[i].doubt;
        bought = true;
        if (!buy(row, &list[i]))
            break; /* the files' figures may have changed what else is wanted */
    }
    return bought;
}

/* True when a change of users of its files would be enough for the row to be wrong. */
static bool is_at_stake(const struct row *row, const struct process *p)
{
    const struct pss_member *m = &p->pss;
    double                   stake = most((double)m->file - m->file_pss, m->file_pss / 2);
    return is_surveyed_by_file(p) && m->file_known && m->file_row < row->now.row &&
           stake > most(WRONG_MIN, WRONG_RATIO * row->kib);
}

static struct process *choose_glanced(const struct row *row)
{
    uint32_t count = 0;
    for (size_t i = 0; i < row->table->count; i++)
        count += is_at_stake(row, &row->table->list[i]);
    uint32_t left = count > 0 ? row->now.row % count : 0;
    for (size_t i = 0; i < row->table->count && count > 0; i++)
        if (is_at_stake(row, &row->table->list[i]) && left-- == 0)
            return &row->table->list[i];
    return NULL;
}

/* Other users of a file outside of the tree come and go without a sign in any counter. But then all its pages stop
 * being one's own, or become so again: a few windows of one process tell. Each row looks at another process. True if
 * there was a change. */
static bool glance(struct row *row)
{
    struct process *p = row->pss->purse > 0 ? choose_glanced(row) : NULL;
    if (!p)
        return false;
    struct pss_surveyed one = {.pid = p->memory_of, .weight = 1};
    struct pss_survey   survey = {.proc = row->now.proc,
                                  .page_bytes = row->pss->page_bytes,
                                  .seed = row->now.row,
                                  .windows = WINDOWS_OF_GLANCE,
                                  .by_file = true};
    if (pss_survey_run(&survey, &one, 1) || one.error || one.file.pages < WINDOWS_OF_GLANCE)
        return false;
    struct pss_member *m = &p->pss;
    double             change = m->file_own < 0 ? 0 : distance(one.file.own, m->file_own);
    bool               is_changed = change > GLANCE_CHANGE;
    if (m->file_own < 0 || is_changed)
        m->file_own = (float)one.file.own;
    if (is_changed)
        m->file_doubt = (float)least((double)m->file, m->file_doubt + change * (double)m->file);
    return is_changed;
}

/* A process that has ended since its counters were read has no files any more: the others' figures have its share
 * already. */
static void let_go_of_ended(struct row *row)
{
    unsigned asked = 0;
    for (size_t i = 0; i < row->table->count && asked < ENDED_ASKED; i++) {
        struct process *p = &row->table->list[i];
        uint64_t        resident = 0;
        uint64_t        shared = 0;
        if (!p->pss.family || p->pss.is_alias || (double)p->pss.file < PSS_BIG)
            continue;
        asked++;
        int error = process_statm_read(row->now.proc, p->memory_of, &resident, &shared);
        if (error == -ENOENT || error == -ESRCH || (error == 0 && resident == 0))
            p->pss.file_pss = p->pss.file_doubt = 0;
    }
}

static void spend(struct row *row)
{
    bool bought = false;
    look_over(row);
    if (glance(row))
        look_over(row);
    for (int turn = 0; turn < TURNS && row->doubt > row->bound && buy_best(row); turn++) {
        look_over(row);
        bought = true;
    }
    if (bought) {
        let_go_of_ended(row);
        look_over(row);
    }
}

/* Readings of processes that share pages with one that is just ending may say anything; but nothing grows by an end. */
uint64_t pss_read(struct pss *pss, int proc, struct process_table *table, int64_t monotonic, uint64_t hugetlb)
{
    double           seconds = pss->row > 0 ? (double)(monotonic - pss->read_at) / (double)CLOCK_SECOND : 0;
    struct row       row = {.pss = pss, .table = table, .start = clock_thread_cpu()};
    struct pss_moved moved;
    seconds = most(0, least(seconds, 3600));
    pss->row++;
    pss->read_at = monotonic;
    pss->purse += (int64_t)(seconds * (double)PURSE_INCOME);
    pss->purse = pss->purse < PURSE_MAX ? pss->purse : PURSE_MAX;
    /* A price that was too high once would otherwise never be asked again. */
    pss->ns_per_kib += (EXACT_FIRST_NS_PER_KIB - pss->ns_per_kib) * 0.001;
    row.now = (struct pss_now){.proc = proc,
                               .except = pss->except,
                               .row = pss->row,
                               .seconds = seconds,
                               .page = (double)pss->page_bytes / 1024,
                               .hugetlb = hugetlb > 0 && hugetlb != METRIC_NONE};
    pss_families_update(&pss->families, table, &row.now, &moved);
    row.counted = spent(&row);
    spend(&row);
    pss->purse -= spent(&row);
    double kib = moved.is_left && !row.now.hugetlb ? least(row.kib, pss->kib + pss->doubt + moved.growth) : row.kib;
    pss->kib = row.kib;
    pss->doubt = row.doubt;
    return kib < (double)(INT64_MAX / 2) ? (uint64_t)(kib + 0.5) : INT64_MAX / 2;
}
