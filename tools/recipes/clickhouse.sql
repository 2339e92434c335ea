-- ClickHouse: a bucket of runs (PILLION_S3_URI=s3://bucket/prefix), as it stands there, or loaded once and for all. Put your
-- own in place of https://bucket.s3.eu-central-1.amazonaws.com/prefix. Without keys in the call ClickHouse takes those
-- of its own surroundings (use_environment_credentials).
CREATE VIEW pillion_runs AS
SELECT
  JSONExtractString(document, 'id') AS id,
  toDate(extract(_path, 'date=([0-9-]+)')) AS date,
  JSONExtractString(document, 'registration', 'job_name') AS name,
  JSONExtractString(document, 'registration', 'team') AS team,
  JSONExtractString(document, 'registration', 'external_run_id') AS job,
  parseDateTimeBestEffortOrNull(JSONExtractString(document, 'started_at')) AS started_at,
  parseDateTimeBestEffortOrNull(JSONExtractString(document, 'finished_at')) AS finished_at,
  JSONExtract(document, 'duration_s', 'Nullable(Float64)') AS duration_s,
  JSONExtract(document, 'exit_code', 'Nullable(Int32)') AS exit_code,
  JSONExtract(document, 'signal', 'Nullable(Int32)') AS signal,
  JSONExtract(document, 'totals', 'user_s', 'Nullable(Float64)')
    + JSONExtract(document, 'totals', 'system_s', 'Nullable(Float64)') AS cpu_s,
  JSONExtract(document, 'totals', 'max_rss_kib', 'Nullable(Float64)') / 1024 AS memory_peak_mib,
  JSONExtract(document, 'allotment', 'cpus', 'Nullable(Float64)') AS asked_cpus,
  JSONExtract(document, 'allotment', 'memory_mib', 'Nullable(Float64)') AS asked_memory_mib,
  JSONExtract(document, 'registration', 'host_vcpus', 'Nullable(Float64)') AS host_vcpus,
  JSONExtract(document, 'gpu_s', 'Nullable(Float64)') AS gpu_s
FROM s3('https://bucket.s3.eu-central-1.amazonaws.com/prefix/runs/date=*/*.json', 'JSONAsString', 'document String');

CREATE TABLE pillion_metrics
(
  date Date,
  run String,
  timestamp Float64,
  process_utime Nullable(Float64),
  process_stime Nullable(Float64),
  process_cpu_usage Nullable(Float64),
  process_memory_mib Nullable(Float64),
  process_disk_read_bytes Nullable(UInt64),
  process_disk_write_bytes Nullable(UInt64),
  process_gpu_usage Nullable(Float64),
  system_cpu_usage Nullable(Float64),
  system_memory_used_mib Nullable(Float64)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(date)
ORDER BY (run, timestamp);

-- A day at a time: each is read once.
INSERT INTO pillion_metrics
SELECT
  toDate(extract(_path, 'date=([0-9-]+)')), extract(_path, 'run=([^/]+)'), timestamp, process_utime, process_stime,
  process_cpu_usage, process_memory_mib, process_disk_read_bytes, process_disk_write_bytes, process_gpu_usage,
  system_cpu_usage, system_memory_used_mib
FROM s3('https://bucket.s3.eu-central-1.amazonaws.com/prefix/metrics/date=2026-11-28/run=*/*.csv.gz', 'CSVWithNames');

-- Which jobs waste the most, in a month? (The first of queries.sql; those that the machine alone limits.)
SELECT name, count() AS runs, round(sum(coalesce(asked_cpus, host_vcpus) * duration_s - cpu_s) / 3600, 2) AS wasted_core_hours
FROM pillion_runs
WHERE date BETWEEN '2026-11-01' AND '2026-11-30'
GROUP BY name
ORDER BY wasted_core_hours DESC
LIMIT 20;
