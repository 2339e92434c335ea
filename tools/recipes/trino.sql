-- Trino: tables over a bucket of runs (PILLION_S3_URI=s3://bucket/prefix) in a catalog of the Hive connector, here `hive`,
-- whose native file system may read the bucket (fs.s3.enabled). Put your own in place of s3://bucket/prefix.
CREATE SCHEMA IF NOT EXISTS hive.pillion;

CREATE TABLE hive.pillion.runs (
  id varchar,
  state varchar,
  command array(varchar),
  machine row(boot varchar, host_name varchar),
  started_at varchar,
  finished_at varchar,
  duration_s double,
  exit_code integer,
  signal integer,
  registration row(job_name varchar, project_name varchar, team varchar, task_name varchar, external_run_id varchar,
    host_vcpus double, host_memory_mib double, host_gpu_count double,
    tags array(row("key" varchar, "value" varchar))),
  allotment row("by" varchar, cpus double, memory_mib double, gpus double, seconds double),
  totals row(user_s double, system_s double, max_rss_kib double),
  cgroup row(oom_kills bigint),
  energy row(cpu_share_j double, gpu_share_j double),
  gpu_s double,
  objects bigint,
  "date" varchar
)
WITH (
  format = 'JSON',
  external_location = 's3://bucket/prefix/runs/',
  partitioned_by = ARRAY['date']
);

-- Of a CSV all columns are texts there: the view below makes numbers of them.
CREATE TABLE hive.pillion.metrics_text (
  "timestamp" varchar,
  system_processes varchar, system_utime varchar, system_stime varchar, system_cpu_usage varchar,
  system_memory_free_mib varchar, system_memory_used_mib varchar, system_memory_buffers_mib varchar,
  system_memory_cached_mib varchar, system_memory_active_mib varchar, system_memory_inactive_mib varchar,
  system_disk_read_bytes varchar, system_disk_write_bytes varchar, system_disk_space_total_gb varchar,
  system_disk_space_used_gb varchar, system_disk_space_free_gb varchar, system_net_recv_bytes varchar,
  system_net_sent_bytes varchar, system_gpu_usage varchar, system_gpu_vram_mib varchar, system_gpu_utilized varchar,
  process_pid varchar, process_children varchar, process_utime varchar, process_stime varchar, process_cpu_usage varchar,
  process_memory_mib varchar, process_disk_read_bytes varchar, process_disk_write_bytes varchar,
  process_gpu_usage varchar, process_gpu_vram_mib varchar, process_gpu_utilized varchar,
  "date" varchar,
  run varchar
)
WITH (
  format = 'CSV',
  skip_header_line_count = 1,
  external_location = 's3://bucket/prefix/metrics/',
  partitioned_by = ARRAY['date', 'run']
);

-- Folders that have come since are found by this; call it before the day's first query.
CALL hive.system.sync_partition_metadata('pillion', 'runs', 'ADD');
CALL hive.system.sync_partition_metadata('pillion', 'metrics_text', 'ADD');

CREATE VIEW hive.pillion.metrics AS
SELECT "date", run, CAST("timestamp" AS double) AS at,
  TRY_CAST(process_utime AS double) AS process_utime, TRY_CAST(process_stime AS double) AS process_stime,
  TRY_CAST(process_cpu_usage AS double) AS process_cpu_usage, TRY_CAST(process_memory_mib AS double) AS process_memory_mib,
  TRY_CAST(process_disk_read_bytes AS bigint) AS process_disk_read_bytes,
  TRY_CAST(process_disk_write_bytes AS bigint) AS process_disk_write_bytes,
  TRY_CAST(process_gpu_usage AS double) AS process_gpu_usage, TRY_CAST(system_cpu_usage AS double) AS system_cpu_usage,
  TRY_CAST(system_memory_used_mib AS double) AS system_memory_used_mib
FROM hive.pillion.metrics_text;

-- Which jobs waste the most, in a month? (The first of queries.sql; those that the machine alone limits.)
SELECT registration.job_name AS name, count(*) AS runs,
  round(sum(coalesce(allotment.cpus, registration.host_vcpus) * duration_s - totals.user_s - totals.system_s) / 3600, 2)
    AS wasted_core_hours
FROM hive.pillion.runs
WHERE "date" BETWEEN '2026-11-01' AND '2026-11-30' AND totals IS NOT NULL
GROUP BY registration.job_name
ORDER BY wasted_core_hours DESC
LIMIT 20;
