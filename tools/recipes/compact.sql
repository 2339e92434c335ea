-- A bucket of runs as Parquet, a few files a day, by DuckDB: for days that are over. Objects of a minute are many and small;
-- of these a query over a month reads hundreds of times fewer, and of them only the columns that it needs.
--
--   duckdb -cmd "SET VARIABLE place = 's3://bucket/prefix'; SET VARIABLE since = '2026-11-01'; SET VARIABLE until = '2026-11-30'" \
--     -f queries.sql -f compact.sql
--
-- It needs the views of queries.sql. Rows stand on the day of their run's start, however long it goes on, and an undelivered
-- end comes with a sync: so take days that are older than the longest run and the longest wait for a sync, and ask the
-- objects themselves of younger ones. To do a day again, delete its two folders first: of files of before, more may stand
-- there than are written anew. Nothing is deleted here: a lifecycle rule of the bucket on metrics/ does that, for days that
-- were compacted. Where the files are to stand in another place, name that as `target`.
SET VARIABLE target = coalesce(getvariable('target'), getvariable('place'));

COPY (SELECT * FROM metrics ORDER BY date, run, timestamp) TO (getvariable('target') || '/metrics_parquet')
    (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (date), OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'rows_{i}');
COPY (SELECT * FROM runs ORDER BY date, id) TO (getvariable('target') || '/runs_parquet')
    (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (date), OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'runs_{i}');

-- From then on, in place of the views of queries.sql:
CREATE OR REPLACE TEMP VIEW metrics AS
SELECT * FROM read_parquet(getvariable('target') || '/metrics_parquet/date=*/*.parquet', hive_partitioning = true, hive_types = {'date': 'DATE'})
WHERE date BETWEEN getvariable('since')::DATE AND getvariable('until')::DATE;
CREATE OR REPLACE TEMP VIEW runs AS
SELECT * FROM read_parquet(getvariable('target') || '/runs_parquet/date=*/*.parquet', hive_partitioning = true, hive_types = {'date': 'DATE'})
WHERE date BETWEEN getvariable('since')::DATE AND getvariable('until')::DATE;
