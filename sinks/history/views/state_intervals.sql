-- Each state of a work centre from its event to the next one; the state that still lasts counts up to the last
-- event that left it UNCHANGED.
-- parameter plant: Only this plant.
-- parameter work_center: Only this work centre.
-- column plant: Plant.
-- column work_center: Work centre.
-- column state: State after ISO 22400.
-- column reason: Reason that the event gave.
-- column begins [us]: Start, UTC.
-- column ends [us]: End, UTC.
-- column seconds [SEC]: Length.
WITH events AS (
    SELECT plant, work_center, state, reason, event_time, sequence, event_id,
           max(event_time) OVER (PARTITION BY plant, work_center) AS last_time
    FROM machine_state
    WHERE (getvariable('plant') IS NULL OR plant = getvariable('plant'))
      AND (getvariable('work_center') IS NULL OR work_center = getvariable('work_center'))
), changes AS (
    SELECT plant, work_center, state, reason, event_time AS begins,
           lead(event_time, 1, last_time) OVER (
               PARTITION BY plant, work_center ORDER BY event_time, sequence NULLS FIRST, event_id
           ) AS ends
    FROM events
    WHERE state <> 'UNCHANGED'
)
SELECT plant, work_center, state, reason, begins, ends, CAST((epoch_us(ends) - epoch_us(begins)) * 0.000001 AS DECIMAL(18, 6)) AS seconds
FROM changes
WHERE ends > begins
ORDER BY plant, work_center, begins
