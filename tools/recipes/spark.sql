-- Spark SQL: views over a bucket of runs (PILLION_S3_URI=s3://bucket/prefix); s3a:// needs hadoop-aws. Put your own in
-- place of s3a://bucket/prefix. `date` and `run` are columns, which Spark finds in the folders' names.
CREATE TEMPORARY VIEW runs (
  id STRING,
  state STRING,
  command ARRAY<STRING>,
  machine STRUCT<boot: STRING, host_name: STRING>,
  started_at TIMESTAMP,
  finished_at TIMESTAMP,
  duration_s DOUBLE,
  exit_code INT,
  signal INT,
  registration STRUCT<job_name: STRING, project_name: STRING, team: STRING, task_name: STRING, external_run_id: STRING,
    host_vcpus: DOUBLE, host_memory_mib: DOUBLE, host_gpu_count: DOUBLE,
    tags: ARRAY<STRUCT<key: STRING, value: STRING>>>,
  allotment STRUCT<by: STRING, cpus: DOUBLE, memory_mib: DOUBLE, gpus: DOUBLE, seconds: DOUBLE>,
  totals STRUCT<user_s: DOUBLE, system_s: DOUBLE, max_rss_kib: DOUBLE>,
  cgroup STRUCT<oom_kills: BIGINT>,
  gpu_s DOUBLE,
  objects BIGINT,
  `date` DATE
)
USING json
OPTIONS (path 's3a://bucket/prefix/runs/', pathGlobFilter '*.json');

CREATE TEMPORARY VIEW metrics
USING csv
OPTIONS (path 's3a://bucket/prefix/metrics/', header 'true', inferSchema 'true', pathGlobFilter '*.csv.gz');

-- Which jobs waste the most, in a month? (The first of queries.sql; those that the machine alone limits.)
SELECT registration.job_name AS name, count(*) AS runs,
  round(sum(coalesce(allotment.cpus, registration.host_vcpus) * duration_s - totals.user_s - totals.system_s) / 3600, 2)
    AS wasted_core_hours
FROM runs
WHERE `date` BETWEEN DATE '2026-11-01' AND DATE '2026-11-30' AND totals IS NOT NULL
GROUP BY registration.job_name
ORDER BY wasted_core_hours DESC
LIMIT 20;

-- Larger files for what is over: a month as Parquet, by day.
CREATE TABLE metrics_2026_11
USING parquet
OPTIONS (path 's3a://bucket/prefix/parquet/metrics/')
PARTITIONED BY (`date`)
AS SELECT * FROM metrics WHERE `date` BETWEEN DATE '2026-11-01' AND DATE '2026-11-30';
