/* The answers of metadata services, one function each. Inside cloud*.c only. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_CLOUD_CLOUD_ANSWERS_H
#define PILLION_SENTINEL_CLOUD_CLOUD_ANSWERS_H

#include "sentinel/cloud/cloud.h"

/* Takes a value without the blanks around it; false, and *ret empty, when it is none. */
bool cloud_value(struct text t, char ret[static CLOUD_VALUE_SIZE]);

bool cloud_hear_token(struct text body, struct cloud_told *told);
bool cloud_hear_type(struct text body, struct cloud_told *told);
bool cloud_hear_region(struct text body, struct cloud_told *told);
bool cloud_hear_zone(struct text body, struct cloud_told *told);

bool cloud_hear_aws_domain(struct text body, struct cloud_told *told);
bool cloud_hear_aws_account(struct text body, struct cloud_told *told);
bool cloud_hear_gcp_type(struct text body, struct cloud_told *told);
bool cloud_hear_gcp_zone(struct text body, struct cloud_told *told);
bool cloud_hear_gcp_account(struct text body, struct cloud_told *told);
bool cloud_hear_azure(struct text body, struct cloud_told *told);
bool cloud_hear_hcloud(struct text body, struct cloud_told *told);
bool cloud_hear_upcloud(struct text body, struct cloud_told *told);
bool cloud_hear_vultr(struct text body, struct cloud_told *told);
bool cloud_hear_alicloud_type(struct text body, struct cloud_told *told);
bool cloud_hear_alicloud_account(struct text body, struct cloud_told *told);
bool cloud_hear_ovh_network(struct text body, struct cloud_told *told);
bool cloud_hear_ovh_machine(struct text body, struct cloud_told *told);

#endif
