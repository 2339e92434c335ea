-- Athena: tables over a bucket of runs (PILLION_S3_URI=s3://bucket/prefix). Put your own in place of s3://bucket/prefix,
-- and call each statement on its own. Partitions are projected from the day and, of rows, found by the engine: nothing is
-- to be crawled or repaired. Then questions like those of queries.sql; a filter on dt is what keeps a query cheap.
CREATE EXTERNAL TABLE pillion_runs (
  id string,
  state string,
  command array<string>,
  machine struct<boot:string, host_name:string>,
  started_at string,
  finished_at string,
  duration_s double,
  exit_code int,
  signal int,
  registration struct<job_name:string, project_name:string, team:string, task_name:string, external_run_id:string,
    host_vcpus:double, host_memory_mib:double, host_gpu_count:double,
    tags:array<struct<`key`:string, `value`:string>>>,
  allotment struct<`by`:string, cpus:double, memory_mib:double, gpus:double, seconds:double>,
  totals struct<user_s:double, system_s:double, max_rss_kib:double>,
  cgroup struct<oom_kills:bigint>,
  energy struct<cpu_share_j:double, gpu_share_j:double>,
  gpu_s double,
  objects bigint
)
PARTITIONED BY (dt string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://bucket/prefix/runs/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2026-01-01,NOW',
  'storage.location.template' = 's3://bucket/prefix/runs/date=${dt}/'
);

-- The same of started/: runs that are not in pillion_runs run still, or their machine is gone.
CREATE EXTERNAL TABLE pillion_started (
  id string,
  started_at string,
  registration struct<job_name:string, team:string, external_run_id:string>
)
PARTITIONED BY (dt string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://bucket/prefix/started/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2026-01-01,NOW',
  'storage.location.template' = 's3://bucket/prefix/started/date=${dt}/'
);

-- Rows. The folder of a run lies below its day; "$path" names it: regexp_extract("$path", 'run=([^/]+)', 1).
CREATE EXTERNAL TABLE pillion_metrics (
  `timestamp` double,
  system_processes bigint, system_utime double, system_stime double, system_cpu_usage double,
  system_memory_free_mib double, system_memory_used_mib double, system_memory_buffers_mib double,
  system_memory_cached_mib double, system_memory_active_mib double, system_memory_inactive_mib double,
  system_disk_read_bytes bigint, system_disk_write_bytes bigint, system_disk_space_total_gb double,
  system_disk_space_used_gb double, system_disk_space_free_gb double, system_net_recv_bytes bigint,
  system_net_sent_bytes bigint, system_gpu_usage double, system_gpu_vram_mib double, system_gpu_utilized bigint,
  process_pid bigint, process_children bigint, process_utime double, process_stime double, process_cpu_usage double,
  process_memory_mib double, process_disk_read_bytes bigint, process_disk_write_bytes bigint, process_gpu_usage double,
  process_gpu_vram_mib double, process_gpu_utilized bigint
)
PARTITIONED BY (dt string)
ROW FORMAT DELIMITED FIELDS TERMINATED BY ','
STORED AS TEXTFILE
LOCATION 's3://bucket/prefix/metrics/'
TBLPROPERTIES (
  'skip.header.line.count' = '1',
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2026-01-01,NOW',
  'storage.location.template' = 's3://bucket/prefix/metrics/date=${dt}/'
);
