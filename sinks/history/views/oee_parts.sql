-- What OEE is made of, by shift and work centre: times in seconds, pieces, and the run time that was planned for them.
-- parameter plant: Only this plant.
-- parameter work_center: Only this work centre.
-- column plant: Plant.
-- column posting_date [DAY]: Local date on which the shift starts.
-- column shift: Shift; empty outside all shifts.
-- column shift_start [us]: Start of the shift, UTC; of the local day outside all shifts.
-- column work_center: Work centre.
-- column apt [SEC]: Actual production time.
-- column aust [SEC]: Actual unit setup time.
-- column adet [SEC]: Actual unit delay time.
-- column adot [SEC]: Actual unit down time.
-- column pbt [SEC]: Planned busy time.
-- column planned_down [SEC]: Planned down time.
-- column off [SEC]: Time outside planned busy time.
-- column good [unit]: Good quantity.
-- column produced [unit]: Good, scrap and rework.
-- column planned [SEC]: Planned run time of the produced pieces (PRI * PQ).
-- column unplanned [events]: Counts whose planned run time is not known.
WITH cut AS (
    SELECT i.plant, i.work_center, i.state, s.posting_date, s.shift, s.shift_start,
           CAST((epoch_us(least(i.ends, s.ends)) - epoch_us(greatest(i.begins, s.begins))) * 0.000001 AS DECIMAL(18, 6)) AS seconds
    FROM state_intervals i
    JOIN shift_segments s ON i.plant = s.plant AND s.begins < i.ends AND s.ends > i.begins
), times AS (
    SELECT plant, posting_date, shift, shift_start, work_center,
           coalesce(sum(seconds) FILTER (state = 'PRODUCTION'), 0) AS apt,
           coalesce(sum(seconds) FILTER (state = 'SETUP'), 0) AS aust,
           coalesce(sum(seconds) FILTER (state = 'DELAY'), 0) AS adet,
           coalesce(sum(seconds) FILTER (state = 'DOWN'), 0) AS adot,
           coalesce(sum(seconds) FILTER (state NOT IN ('OFF', 'PLANNED_DOWN')), 0) AS pbt,
           coalesce(sum(seconds) FILTER (state = 'PLANNED_DOWN'), 0) AS planned_down,
           coalesce(sum(seconds) FILTER (state = 'OFF'), 0) AS off
    FROM cut
    GROUP BY ALL
), counts AS (
    SELECT e.plant, s.posting_date, s.shift, s.shift_start, e.work_center, e.good,
           e.good + e.scrap + e.rework AS produced, coalesce(o.seconds, c.seconds) AS run_time
    FROM production_events e
    ASOF JOIN shift_segments s ON e.plant = s.plant AND e.event_time >= s.begins
    LEFT JOIN planned_run_time o
      ON o.plant = e.plant AND o.work_center = e.work_center AND o.order_id = e.order_id
     AND o.operation = e.operation AND o.unit = e.unit
    LEFT JOIN planned_run_time c
      ON c.plant = e.plant AND c.work_center = e.work_center AND c.order_id IS NULL AND c.unit = e.unit
    WHERE e.counting = 'DELTA'
      AND (getvariable('work_center') IS NULL OR e.work_center = getvariable('work_center'))
), pieces AS (
    SELECT plant, posting_date, shift, shift_start, work_center, sum(good) AS good, sum(produced) AS produced,
           sum(produced * run_time) AS planned, count(*) FILTER (run_time IS NULL) AS unplanned
    FROM counts
    GROUP BY ALL
)
SELECT plant, posting_date, shift, shift_start, work_center, apt, aust, adet, adot, pbt, planned_down, off,
       good, produced, planned, unplanned
FROM times FULL JOIN pieces USING (plant, posting_date, shift, shift_start, work_center)
ORDER BY plant, shift_start, shift, work_center
