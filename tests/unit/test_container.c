/* What the environment says of the container, and what of it goes out. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/container.h"
#include "surroundings.h"

static struct container    container;
static struct sentinel_run run;

static void read_sharing(unsigned share, const char *const *with)
{
    environment = with;
    run = (struct sentinel_run){0};
    container_read(lookup, "hunter2", &container);
    container_fill(&container, share, &run);
}

#define READ(...)               read_sharing(0, (const char *const[]){__VA_ARGS__, NULL})
#define READ_SHARED(share, ...) read_sharing(share, (const char *const[]){__VA_ARGS__, NULL})

static void assert_container(const char *pod, const char *space, const char *name, const char *image)
{
    assert_text(container.pod, pod);
    assert_text(container.space, space);
    assert_text(container.name, name);
    assert_text(container.image, image);
}

#define POD \
    "POD_NAME=train-x7k2p", "POD_NAMESPACE=ml", "CONTAINER_NAME=train", "CONTAINER_IMAGE=registry.example/alice/train:3"

static void a_pod_is_known_by_the_names_that_its_author_gave_to_the_downward_api(void **state)
{
    (void)state;
    READ(POD);
    assert_container("train-x7k2p", "ml", "train", "registry.example/alice/train:3");
    READ("MY_POD_NAME=a", "MY_POD_NAMESPACE=b");
    assert_container("a", "b", NULL, NULL);
    READ("K8S_POD_NAME=a", "K8S_NAMESPACE=b", "K8S_CONTAINER_NAME=c");
    assert_container("a", "b", "c", NULL);
    READ("KUBERNETES_POD_NAME=a", "KUBERNETES_NAMESPACE=b", "ARGO_CONTAINER_NAME=main");
    assert_container("a", "b", "main", NULL);
    READ("POD_NAME=a", "JOB_COMPLETION_INDEX=3");
    assert_container("a", NULL, NULL, NULL);
    assert_text(container.index, "3");
}

static void without_a_pod_other_names_mean_other_things(void **state)
{
    (void)state;
    READ("CONTAINER_NAME=the-database-that-we-ask", "POD_NAMESPACE=x", "JOB_COMPLETION_INDEX=3", "HOSTNAME=box");
    assert_container(NULL, NULL, NULL, NULL);
    assert_text(container.index, NULL);
    READ("KUBERNETES_SERVICE_HOST=10.0.0.1", "CONTAINER_NAME=train", "HOSTNAME=alices-pod");
    assert_container(NULL, NULL, "train", NULL);
}

static void an_image_is_known_outside_of_pods_too(void **state)
{
    (void)state;
    READ("TRACKER_CONTAINER_IMAGE=mine:1", "CONTAINER_IMAGE=other:1");
    assert_container(NULL, NULL, NULL, "mine:1");
    READ("APPTAINER_NAME=train.sif", "SINGULARITY_NAME=train.sif");
    assert_container(NULL, NULL, NULL, "train.sif");
    assert_text(run.container_image, "train.sif");
}

static void unasked_go_out_the_containers_name_and_the_last_part_of_its_image(void **state)
{
    (void)state;
    READ(POD);
    assert_text(run.external_run_id, NULL);
    assert_text(run.project_name, NULL);
    assert_text(run.task_name, "train");
    assert_text(run.container_image, "train:3");
    READ("CONTAINER_IMAGE=registry.example/alice/");
    assert_text(run.container_image, NULL);
}

static void with_hostname_the_pod_goes_out_and_with_account_its_namespace(void **state)
{
    (void)state;
    READ_SHARED(SHARE_HOSTNAME, POD);
    assert_text(run.external_run_id, "train-x7k2p");
    assert_text(run.project_name, NULL);
    READ_SHARED(SHARE_ACCOUNT, POD);
    assert_text(run.external_run_id, NULL);
    assert_text(run.project_name, "ml");
    assert_text(run.container_image, "registry.example/alice/train:3");
}

static void what_is_set_already_stands(void **state)
{
    (void)state;
    READ(POD);
    run = (struct sentinel_run){.external_run_id = "7", .project_name = "p", .task_name = "t", .container_image = "i"};
    container_fill(&container, SHARE_ALL, &run);
    assert_text(run.external_run_id, "7");
    assert_text(run.project_name, "p");
    assert_text(run.task_name, "t");
    assert_text(run.container_image, "i");
}

static void what_is_no_name_or_holds_the_token_is_not_told(void **state)
{
    (void)state;
    static char long_name[CONTAINER_VALUE_MAX + 40] = "POD_NAME=";
    memset(long_name + 9, 'a', CONTAINER_VALUE_MAX + 1);
    READ(long_name, "MY_POD_NAME=");
    assert_container(NULL, NULL, NULL, NULL);
    READ("POD_NAME=a b", "MY_POD_NAME=$(x)", "K8S_POD_NAME=\033[2J", "KUBERNETES_POD_NAME=good");
    assert_container("good", NULL, NULL, NULL);
    READ("POD_NAME=hunter2", "CONTAINER_IMAGE=x:hunter2", "POD_NAMESPACE=a-hunter2-b");
    assert_container(NULL, NULL, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_is_known_by_the_names_that_its_author_gave_to_the_downward_api),
        cmocka_unit_test(without_a_pod_other_names_mean_other_things),
        cmocka_unit_test(an_image_is_known_outside_of_pods_too),
        cmocka_unit_test(unasked_go_out_the_containers_name_and_the_last_part_of_its_image),
        cmocka_unit_test(with_hostname_the_pod_goes_out_and_with_account_its_namespace),
        cmocka_unit_test(what_is_set_already_stands),
        cmocka_unit_test(what_is_no_name_or_holds_the_token_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
