-- Pieces by shift of the plant's calendar. A shift belongs to the local date on which it starts, also where it ends after midnight.
-- Calendars are the table shift_calendar; a plant without one has UTC days and no shifts.
-- parameter plant: Only this plant.
-- parameter posting_from (date): First posting date: the local date on which a shift starts.
-- parameter posting_to (date): Last posting date.
-- column plant: Plant.
-- column posting_date [DAY]: Local date on which the shift starts.
-- column shift: Shift; empty outside all shifts.
-- column shift_start [us]: Start of the shift, UTC; of the local day outside all shifts.
-- column work_center: Work centre.
-- column unit: Unit of the pieces, UN/ECE Rec 20.
-- column good [unit]: Good pieces.
-- column scrap [unit]: Scrapped pieces.
-- column rework [unit]: Pieces to be reworked.
SELECT e.plant, s.posting_date, s.shift, s.shift_start, e.work_center, e.unit,
       sum(e.good) AS good, sum(e.scrap) AS scrap, sum(e.rework) AS rework
FROM production_events e
ASOF JOIN shift_segments s ON e.plant = s.plant AND e.event_time >= s.begins
WHERE e.counting = 'DELTA'
  AND (getvariable('posting_from') IS NULL OR s.posting_date >= CAST(getvariable('posting_from') AS DATE))
  AND (getvariable('posting_to') IS NULL OR s.posting_date <= CAST(getvariable('posting_to') AS DATE))
GROUP BY ALL
ORDER BY e.plant, s.shift_start, s.shift, e.work_center, e.unit
