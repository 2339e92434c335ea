/* Who has which part of the tree's memory: by what is known of who shares with whom. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/pss_share.h"

#include "base/number.h"

/* Memory that a family's members share among themselves is each one's by how much of it that can be. */
static void share_family(const struct pss_family *family, struct process_table *table)
{
    double own = 0;
    double room = 0;
    for (struct process *p = NULL; (p = pss_family_next(family, table, p));) {
        own += least((double)p->pss.own, (double)p->pss.anonymous);
        room += most((double)p->pss.anonymous - (double)p->pss.own, 0);
    }
    double part = own > family->anonymous && own > 0 ? family->anonymous / own : 1;
    double shared = most(family->anonymous - own, 0);
    for (struct process *p = NULL; (p = pss_family_next(family, table, p));) {
        double mine = least((double)p->pss.own, (double)p->pss.anonymous);
        double others = room > 0 ? most((double)p->pss.anonymous - (double)p->pss.own, 0) / room : 1.0 / family->count;
        p->pss.share = (float)(mine * part + shared * others + p->pss.file_pss + (double)p->pss.own_hugetlb);
    }
}

void pss_share(const struct pss *pss, struct process_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        struct process *p = &table->list[i];
        p->pss.share = p->pss.is_there && !p->pss.family ? (float)p->resident_kib : 0;
    }
    for (size_t i = 0; i < pss->families.count; i++) {
        const struct pss_family *family = &pss->families.list[i];
        if (family->key && family->first)
            share_family(family, table);
    }
}
