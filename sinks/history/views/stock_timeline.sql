-- Stock after each movement and each balance of the ERP: the last balance before, and what moved since. A row of a balance
-- says by how much it differs from what was expected. In base units by the newest version of the material; what cannot be
-- converted is never added to another unit, each unit has lines of its own.
-- parameter plant: Only this plant.
-- parameter material: Only this material.
-- parameter storage_location: Only this storage location.
-- column plant: Plant.
-- column material: Material.
-- column storage_location: Storage location.
-- column unit: Unit of the quantities, UN/ECE Rec 20.
-- column time [us]: When, UTC.
-- column what: Kind of movement, or BALANCE.
-- column reference: Event, receipt, document or balance.
-- column on_hand_change [unit]: Change of unrestricted stock; of a balance its difference to what was expected.
-- column on_hand [unit]: Unrestricted stock afterwards.
-- column quality [unit]: Stock in quality inspection afterwards.
-- column blocked [unit]: Blocked stock afterwards.
-- column balance_as_of [us]: The balance that it starts from, UTC; null where none is known, so that only what moved is shown.
WITH newest AS (
    SELECT plant, material, base_unit, conversions
    FROM material
    QUALIFY row_number() OVER (PARTITION BY plant, material ORDER BY version DESC, event_time DESC) = 1
), parts AS (
    SELECT plant, material, base_unit, unnest(conversions) AS part FROM newest
), factors AS (
    SELECT plant, material, base_unit, part.unit AS unit, part.numerator / part.denominator AS factor
    FROM parts
    WHERE part.unit <> base_unit AND part.denominator > 0
), stated AS (
    SELECT *
    FROM inventory_balance
    QUALIFY row_number() OVER (PARTITION BY plant, material, storage_location, as_of ORDER BY event_time DESC, event_id DESC) = 1
), balances AS (
    SELECT plant, material, storage_location, as_of, coalesce(base_unit, unit) AS unit, event_id,
           CASE WHEN factor IS NULL THEN unrestricted ELSE CAST(unrestricted * factor AS DECIMAL(38, 6)) END AS unrestricted,
           CASE WHEN factor IS NULL THEN quality ELSE CAST(quality * factor AS DECIMAL(38, 6)) END AS quality,
           CASE WHEN factor IS NULL THEN blocked ELSE CAST(blocked * factor AS DECIMAL(38, 6)) END AS blocked
    FROM stated LEFT JOIN factors USING (plant, material, unit)
), changes AS (
    SELECT plant, material, storage_location, coalesce(base_unit, unit) AS unit, time, what, reference, status,
           CASE WHEN factor IS NULL THEN change ELSE CAST(change * factor AS DECIMAL(38, 6)) END AS change
    FROM stock_movements LEFT JOIN factors USING (plant, material, unit)
), moves AS (
    SELECT plant, material, storage_location, unit, time, what, reference,
           coalesce(sum(change) FILTER (status = 'on_hand'), 0) AS on_hand,
           coalesce(sum(change) FILTER (status = 'quality'), 0) AS quality,
           coalesce(sum(change) FILTER (status = 'blocked'), 0) AS blocked
    FROM changes
    GROUP BY ALL
), based AS (
    SELECT m.*, b.as_of, coalesce(b.unrestricted, 0) AS base_on_hand, coalesce(b.quality, 0) AS base_quality,
           coalesce(b.blocked, 0) AS base_blocked
    FROM moves m
    ASOF LEFT JOIN balances b
      ON m.plant = b.plant AND m.material = b.material AND m.storage_location = b.storage_location AND m.unit = b.unit
     AND m.time > b.as_of
), run AS (
    SELECT plant, material, storage_location, unit, time, what, reference, on_hand AS on_hand_change,
           base_on_hand + sum(on_hand) OVER upto AS on_hand,
           base_quality + sum(quality) OVER upto AS quality,
           base_blocked + sum(blocked) OVER upto AS blocked, as_of AS balance_as_of
    FROM based
    WINDOW upto AS (PARTITION BY plant, material, storage_location, unit, as_of ORDER BY time, reference, what ROWS UNBOUNDED PRECEDING)
), every AS (
    SELECT * FROM run
    UNION ALL
    SELECT plant, material, storage_location, unit, as_of, 'BALANCE', event_id, NULL, unrestricted, quality, blocked, as_of
    FROM balances
)
SELECT plant, material, storage_location, unit, time, what, reference,
       CASE WHEN what = 'BALANCE' THEN on_hand - lag(on_hand) OVER (
           PARTITION BY plant, material, storage_location, unit ORDER BY time, what = 'BALANCE', reference, what
       ) ELSE on_hand_change END AS on_hand_change,
       on_hand, quality, blocked, balance_as_of
FROM every
WHERE (getvariable('plant') IS NULL OR plant = getvariable('plant'))
  AND (getvariable('material') IS NULL OR material = getvariable('material'))
  AND (getvariable('storage_location') IS NULL OR storage_location = getvariable('storage_location'))
ORDER BY plant, material, storage_location, unit, time, what = 'BALANCE', reference, what
