-- Each state of a work centre from its event to the next one; the state that still lasts is left out.
WITH changes AS (
    SELECT plant, work_center, state, reason, event_time AS begins,
           lead(event_time) OVER (PARTITION BY plant, work_center ORDER BY event_time, event_id) AS ends
    FROM machine_state
    WHERE state <> 'UNCHANGED'
)
SELECT plant, work_center, state, reason, begins, ends, (epoch_us(ends) - epoch_us(begins)) / 1e6 AS seconds
FROM changes
WHERE ends IS NOT NULL
ORDER BY plant, work_center, begins
