-- Stops by reason: how often and how long, longest first. Unit: seconds.
SELECT plant, work_center, state, coalesce(reason, '') AS reason, count(*) AS stops, sum(seconds) AS seconds
FROM state_intervals
WHERE state IN ('DOWN', 'DELAY')
GROUP BY ALL
ORDER BY plant, seconds DESC, work_center, state, reason
