-- Jobs of work centres: from each change of the running job on, order and operation that counts without an order belong to.
-- A START or RESUME makes a job active, a PAUSE or END that names it or no job stops it.
-- column plant: Plant.
-- column work_center: Work centre.
-- column begins [us]: When the change took effect, UTC.
-- column order_id: Order that runs from then on; null for none.
-- column operation: Its operation.
WITH ordered AS (
    SELECT plant, work_center, event_time, job_event, nullif(order_id, '') AS order_id, operation,
           row_number() OVER (PARTITION BY plant, work_center ORDER BY event_time, sequence NULLS FIRST, event_id) AS place
    FROM machine_state
    WHERE job_event <> 'NONE'
), named AS (
    SELECT *, last_value(CASE WHEN job_event IN ('START', 'RESUME') AND order_id IS NOT NULL
                              THEN {'order_id': order_id, 'operation': operation} END IGNORE NULLS)
              OVER (PARTITION BY plant, work_center ORDER BY place) AS job
    FROM ordered
)
SELECT plant, work_center, event_time AS begins,
       CASE WHEN job_event = 'START' THEN order_id WHEN job_event = 'RESUME' THEN job.order_id END AS order_id,
       CASE WHEN job_event = 'START' THEN operation WHEN job_event = 'RESUME' THEN job.operation END AS operation
FROM named
WHERE job_event IN ('START', 'RESUME') OR order_id IS NULL
   OR (order_id = job.order_id AND coalesce(operation, job.operation) IS NOT DISTINCT FROM coalesce(job.operation, operation))
QUALIFY row_number() OVER (PARTITION BY plant, work_center, event_time ORDER BY place DESC) = 1
