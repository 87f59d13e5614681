-- Where a lot came from (BACK, down to what suppliers delivered) and what became of it (FORWARD), step by step.
-- parameter batch (required): Lot to begin with.
-- parameter plant: Only this plant.
-- parameter material: Material of the lot, where lot numbers are not unique.
-- parameter direction (one of BACK, FORWARD): Which way; both when left out.
-- column direction: BACK: component of what the steps before hold. FORWARD: made of them.
-- column depth [steps]: Steps from the lot asked for.
-- column plant: Plant.
-- column material: Material of the lot; null where the order that made it is not known.
-- column batch: Lot.
-- column order_id: Order that used or made it.
-- column quantity [unit]: Quantity of the component in this step.
-- column unit: Unit of the quantity, UN/ECE Rec 20.
-- column first_time [us]: First use in this step, UTC.
-- column path: Lots from the one asked for to this one.
-- column purchase_order: Purchase order that the lot was received for; null where it was not bought.
-- column supplier: Its supplier.
WITH RECURSIVE walk AS (
    SELECT way.direction, 0 AS depth, CAST(NULL AS VARCHAR) AS plant, CAST(getvariable('material') AS VARCHAR) AS material,
           CAST(getvariable('batch') AS VARCHAR) AS batch, CAST(NULL AS VARCHAR) AS order_id,
           CAST(NULL AS DECIMAL(38, 6)) AS quantity, CAST(NULL AS VARCHAR) AS unit,
           CAST(NULL AS TIMESTAMPTZ) AS first_time, [CAST(getvariable('batch') AS VARCHAR)] AS path
    FROM (VALUES ('BACK'), ('FORWARD')) way(direction)
    WHERE getvariable('batch') IS NOT NULL
      AND (getvariable('direction') IS NULL OR way.direction = upper(getvariable('direction')))
    UNION ALL
    SELECT w.direction, w.depth + 1, s.plant,
           CASE w.direction WHEN 'BACK' THEN s.material ELSE s.output_material END,
           CASE w.direction WHEN 'BACK' THEN s.batch ELSE s.output_batch END,
           s.order_id, s.quantity, s.unit, s.first_time,
           list_append(w.path, CASE w.direction WHEN 'BACK' THEN s.batch ELSE s.output_batch END)
    FROM walk w
    JOIN lot_steps s
      ON w.batch = CASE w.direction WHEN 'BACK' THEN s.output_batch ELSE s.batch END
     AND (w.plant IS NULL OR w.plant = s.plant)
     AND coalesce(w.material = CASE w.direction WHEN 'BACK' THEN s.output_material ELSE s.material END, true)
    WHERE (getvariable('plant') IS NULL OR s.plant = getvariable('plant'))
      AND NOT list_contains(w.path, CASE w.direction WHEN 'BACK' THEN s.batch ELSE s.output_batch END)
), receipts AS (
    SELECT plant, material, batch, purchase_order, purchase_order_item
    FROM goods_receipt
    WHERE batch IS NOT NULL AND status = 'RECEIVED'
    GROUP BY ALL
), suppliers AS (
    SELECT purchase_order, purchase_order_item, supplier
    FROM purchase_order
    QUALIFY row_number() OVER (PARTITION BY purchase_order, purchase_order_item ORDER BY version DESC) = 1
)
SELECT w.direction, w.depth, w.plant, w.material, w.batch, w.order_id, w.quantity, w.unit, w.first_time,
       array_to_string(w.path, ' > ') AS path, r.purchase_order, p.supplier
FROM walk w
LEFT JOIN receipts r ON w.direction = 'BACK' AND r.plant = w.plant AND r.material = w.material AND r.batch = w.batch
LEFT JOIN suppliers p USING (purchase_order, purchase_order_item)
WHERE w.depth > 0
ORDER BY w.direction, w.depth, path, w.order_id, w.material
