-- Ten questions to the runs of a bucket (PILLION_S3_URI), for DuckDB 1.2 or newer. Usable as it stands:
--
--   duckdb -cmd "SET VARIABLE place = 's3://bucket/prefix'" -f queries.sql
--
-- A local folder with the same objects (aws s3 sync) is a place too. For s3:// DuckDB needs its httpfs, and keys, before that:
--   duckdb -cmd "INSTALL httpfs; CREATE SECRET (TYPE s3, PROVIDER credential_chain); SET VARIABLE place = ..." -f queries.sql
-- of MinIO or Ceph with ENDPOINT 'minio:9000', URL_STYLE 'path', USE_SSL false behind credential_chain.
-- Of `pillion list --csv >runs.csv` and `pillion export -o week/` the same questions can be asked: see the end.
-- What may be set before: place, since and until (days, of the run's start), job (a name, for question 5).
SET VARIABLE place = coalesce(getvariable('place'), 's3://bucket/prefix');
SET VARIABLE since = coalesce(getvariable('since'), (date_trunc('month', current_date))::VARCHAR);
SET VARIABLE until = coalesce(getvariable('until'), current_date::VARCHAR);

-- A run that ended has a document in runs/, each that began one in started/. Columns have the names of `pillion list --csv`.
CREATE OR REPLACE TEMP MACRO documents(folder) AS TABLE
SELECT * FROM read_json(getvariable('place') || '/' || folder || '/date=*/*.json', format = 'newline_delimited',
    hive_partitioning = true, hive_types = {'date': 'DATE'}, columns = {
    id: 'VARCHAR', state: 'VARCHAR', command: 'VARCHAR[]', machine: 'STRUCT(boot VARCHAR, host_name VARCHAR)',
    started_at: 'TIMESTAMP', finished_at: 'TIMESTAMP', duration_s: 'DOUBLE', time_limit_at: 'TIMESTAMP', exit_code: 'INTEGER',
    signal: 'INTEGER', gpu_s: 'DOUBLE', objects: 'BIGINT',
    registration: 'STRUCT(job_name VARCHAR, project_name VARCHAR, team VARCHAR, task_name VARCHAR, external_run_id VARCHAR,
        host_vcpus DOUBLE, host_memory_mib DOUBLE, host_gpu_count DOUBLE, host_gpu_model VARCHAR,
        tags STRUCT("key" VARCHAR, "value" VARCHAR)[])',
    allotment: 'STRUCT("by" VARCHAR, cpus DOUBLE, memory_mib DOUBLE, gpus DOUBLE, seconds DOUBLE)',
    totals: 'STRUCT(user_s DOUBLE, system_s DOUBLE, max_rss_kib DOUBLE, max_rss_exact BOOLEAN, cgroup_memory_peak DOUBLE)',
    cgroup: 'STRUCT(oom_kills BIGINT, cpu_throttled_s DOUBLE)',
    energy: 'STRUCT(cpu_j DOUBLE, cpu_share_j DOUBLE, gpu_j DOUBLE, gpu_share_j DOUBLE)'})
WHERE date BETWEEN getvariable('since')::DATE AND getvariable('until')::DATE;

CREATE OR REPLACE TEMP MACRO tag(registration, wanted) AS
    list_filter(registration.tags, lambda t: t."key" = wanted)[1]."value";

CREATE OR REPLACE TEMP MACRO positive(number) AS CASE WHEN number > 0 THEN number END;

CREATE OR REPLACE TEMP VIEW runs AS
WITH documents_of_all AS (
    SELECT * FROM documents('runs')
    UNION ALL
    SELECT * FROM documents('started') s WHERE NOT EXISTS (SELECT 1 FROM documents('runs') r WHERE r.id = s.id)
), figures AS (
    SELECT *, totals.user_s + totals.system_s AS cpu_s, totals.max_rss_kib / 1024 AS memory_peak_mib,
        CASE WHEN finished_at IS NOT NULL THEN coalesce(duration_s, epoch(finished_at - started_at)) END AS took,
        least(positive(allotment.cpus), positive(TRY_CAST(tag(registration, 'cgroup_cpus') AS DOUBLE)),
            positive(TRY_CAST(tag(registration, 'cpus_allowed') AS DOUBLE)), positive(registration.host_vcpus)) AS cpus,
        least(positive(allotment.memory_mib), positive(TRY_CAST(tag(registration, 'cgroup_memory_mib') AS DOUBLE)),
            positive(registration.host_memory_mib)) AS memory_limit_mib,
        least(positive(allotment.gpus), positive(registration.host_gpu_count)) AS gpus,
        CASE WHEN time_limit_at IS NOT NULL THEN epoch(finished_at - time_limit_at)
             ELSE duration_s - positive(allotment.seconds) END AS late_s
    FROM documents_of_all
)
SELECT id, coalesce(registration.job_name, command[1]) AS name, registration.external_run_id AS job,
    tag(registration, 'job_name') AS job_name, registration.task_name AS task, allotment.cpus AS asked_cpus,
    allotment.memory_mib AS asked_memory_mib, allotment.gpus AS asked_gpus, allotment.seconds AS asked_s,
    tag(registration, 'job_partition') AS "partition",
    TRY_CAST(tag(registration, 'job_array_index') AS BIGINT) AS array_index,
    TRY_CAST(tag(registration, 'job_rank') AS BIGINT) AS rank, TRY_CAST(tag(registration, 'job_ranks') AS BIGINT) AS ranks,
    CASE WHEN finished_at IS NULL THEN 'no end' ELSE state END AS state, started_at, finished_at, took AS duration_s, cpu_s,
    cpus, CASE WHEN took > 0 THEN cpu_s / took / cpus END AS cpu_part, memory_peak_mib, memory_limit_mib,
    memory_peak_mib / memory_limit_mib AS memory_part, gpus,
    CASE WHEN took > 0 THEN gpu_s / took / gpus END AS gpu_part, exit_code, positive(signal) AS signal,
    CASE WHEN signal IN (9, 15) AND late_s BETWEEN -3 AND 120 THEN 'time limit' END AS ended_by,
    cgroup.oom_kills AS oom_kills, machine.host_name AS machine, date, gpu_s,
    coalesce(tag(registration, 'user'), registration.team, registration.project_name, '?') AS who
FROM figures;

CREATE OR REPLACE TEMP VIEW metrics AS
SELECT * FROM read_csv(getvariable('place') || '/metrics/date=*/run=*/*.csv.gz', header = true, delim = ',', quote = '',
    escape = '', compression = 'gzip', auto_detect = false, hive_partitioning = true,
    hive_types = {'date': 'DATE', 'run': 'VARCHAR'}, columns = {
    timestamp: 'DOUBLE', system_processes: 'BIGINT', system_utime: 'DOUBLE', system_stime: 'DOUBLE',
    system_cpu_usage: 'DOUBLE', system_memory_free_mib: 'DOUBLE', system_memory_used_mib: 'DOUBLE',
    system_memory_buffers_mib: 'DOUBLE', system_memory_cached_mib: 'DOUBLE', system_memory_active_mib: 'DOUBLE',
    system_memory_inactive_mib: 'DOUBLE', system_disk_read_bytes: 'BIGINT', system_disk_write_bytes: 'BIGINT',
    system_disk_space_total_gb: 'DOUBLE', system_disk_space_used_gb: 'DOUBLE', system_disk_space_free_gb: 'DOUBLE',
    system_net_recv_bytes: 'BIGINT', system_net_sent_bytes: 'BIGINT', system_gpu_usage: 'DOUBLE',
    system_gpu_vram_mib: 'DOUBLE', system_gpu_utilized: 'BIGINT', process_pid: 'BIGINT', process_children: 'BIGINT',
    process_utime: 'DOUBLE', process_stime: 'DOUBLE', process_cpu_usage: 'DOUBLE', process_memory_mib: 'DOUBLE',
    process_disk_read_bytes: 'BIGINT', process_disk_write_bytes: 'BIGINT', process_gpu_usage: 'DOUBLE',
    process_gpu_vram_mib: 'DOUBLE', process_gpu_utilized: 'BIGINT'})
WHERE date BETWEEN getvariable('since')::DATE AND getvariable('until')::DATE;

-- 1. Which jobs waste the most? Core-hours that were theirs and idle.
SELECT name, count(*) AS runs, round(sum(cpus * duration_s) / 3600, 2) AS core_hours,
    round(sum(cpus * duration_s - cpu_s) / 3600, 2) AS wasted_core_hours,
    round(sum(cpu_s) / sum(cpus * duration_s), 3) AS used_part
FROM runs WHERE cpu_s IS NOT NULL AND cpus IS NOT NULL AND duration_s > 0
GROUP BY name ORDER BY wasted_core_hours DESC, name LIMIT 20;

-- 2. Who asks for how much memory, and uses how much? `who` is the tag user=, else team, else project.
SELECT who, count(*) AS runs, round(avg(asked_memory_mib), 1) AS asked_mib, round(avg(memory_peak_mib), 1) AS used_mib,
    round(max(memory_peak_mib), 1) AS most_mib, round(median(memory_peak_mib / asked_memory_mib), 3) AS used_part,
    round(sum((asked_memory_mib - memory_peak_mib) / 1024 * duration_s) / 3600, 2) AS unused_gib_hours
FROM runs WHERE asked_memory_mib > 0 AND memory_peak_mib IS NOT NULL AND duration_s IS NOT NULL
GROUP BY who ORDER BY unused_gib_hours DESC, who;

-- 3. What fails, and how? Core-hours are lost with it.
SELECT name, CASE WHEN oom_kills > 0 THEN 'out of memory' WHEN ended_by IS NOT NULL THEN ended_by
        WHEN signal IS NOT NULL THEN 'signal ' || signal::INTEGER WHEN exit_code > 0 THEN 'exit ' || exit_code END AS how,
    count(*) AS runs, round(sum(cpus * duration_s) / 3600, 2) AS core_hours
FROM runs WHERE signal IS NOT NULL OR exit_code > 0 OR oom_kills > 0
GROUP BY name, how ORDER BY runs DESC, name, how;

-- 4. Which GPUs stood idle? From the rows: hours at which a run had GPUs, and those of less than 5 % of one.
WITH steps AS (
    SELECT run, process_gpu_usage AS used,
        timestamp - lag(timestamp) OVER (PARTITION BY run ORDER BY timestamp) AS seconds
    FROM metrics WHERE process_gpu_usage IS NOT NULL
)
SELECT name, count(DISTINCT run) AS runs, round(sum(gpus * seconds) / 3600, 2) AS gpu_hours,
    round(sum(CASE WHEN used < 0.05 THEN gpus * seconds END) / 3600, 2) AS idle_gpu_hours,
    round(sum(used * seconds) / sum(gpus * seconds), 3) AS used_part
FROM steps JOIN runs ON runs.id = steps.run WHERE gpus > 0
GROUP BY name ORDER BY idle_gpu_hours DESC NULLS LAST, name;

-- 5. How does one job develop? By week: the most frequent one, unless `job` was set.
SET VARIABLE job = coalesce(getvariable('job'), (SELECT mode(name ORDER BY name) FROM runs));
SELECT date_trunc('week', date)::DATE AS week, count(*) AS runs, round(median(duration_s), 1) AS median_s,
    round(median(cpu_s), 1) AS median_cpu_s, round(max(memory_peak_mib), 1) AS most_mib,
    count(*) FILTER (signal IS NOT NULL OR exit_code > 0) AS failed
FROM runs WHERE name = getvariable('job') GROUP BY week ORDER BY week;

-- 6. What will run out of memory next? Runs that came within a tenth of their limit.
SELECT id, name, round(memory_peak_mib, 1) AS peak_mib, round(memory_limit_mib, 1) AS limit_mib,
    round(memory_part, 3) AS part, oom_kills
FROM runs WHERE memory_part > 0.9 OR oom_kills > 0 ORDER BY memory_part DESC NULLS LAST, id;

-- 7. What should a job ask for? The largest of 95 in 100 runs, and a fifth of memory more.
SELECT name, count(*) AS runs, round(max(asked_cpus), 1) AS asked_cpus,
    ceil(quantile_disc(cpu_s / duration_s, 0.95)) AS enough_cpus, round(max(asked_memory_mib), 1) AS asked_mib,
    ceil(quantile_disc(memory_peak_mib, 0.95) * 1.2) AS enough_mib, round(max(asked_s), 1) AS asked_s,
    ceil(quantile_disc(duration_s, 0.95)) AS enough_s
FROM runs WHERE duration_s > 0 AND cpu_s IS NOT NULL AND exit_code = 0
GROUP BY name HAVING count(*) >= 5 ORDER BY name;

-- 8. How busy are we? Cores that the runs used, by the hour in which they used them.
SELECT date_trunc('hour', to_timestamp(timestamp) AT TIME ZONE 'UTC') AS hour, count(DISTINCT run) AS runs,
    round(sum(process_utime + process_stime) / 3600, 4) AS cores
FROM metrics GROUP BY hour ORDER BY hour;

-- 9. Who reads and writes the most?
SELECT name, count(DISTINCT run) AS runs, round(sum(process_disk_read_bytes) / 1e9, 3) AS read_gb,
    round(sum(process_disk_write_bytes) / 1e9, 3) AS written_gb
FROM metrics JOIN runs ON runs.id = metrics.run
GROUP BY name ORDER BY sum(process_disk_read_bytes + process_disk_write_bytes) DESC, name LIMIT 20;

-- 10. What began and never ended? It runs still, or its machine is gone; the time of the last row that arrived.
SELECT id, name, started_at, make_timestamp((max(timestamp) * 1e6)::BIGINT) AS last_row
FROM runs LEFT JOIN metrics ON metrics.run = runs.id AND metrics.date = runs.date
WHERE runs.finished_at IS NULL GROUP BY id, name, started_at ORDER BY started_at, id;

-- Without a bucket: in place of the views above,
--   CREATE VIEW runs AS SELECT *, started_at::DATE AS date, '?' AS who FROM 'runs.csv';
--   CREATE VIEW metrics AS SELECT COLUMNS('^(run|timestamp|(system|process)_.*)$'), strptime(left(run, 8), '%Y%m%d')::DATE AS date
--   FROM read_csv('week/*/metrics.csv', union_by_name = true);
