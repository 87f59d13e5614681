-- Which lot went into which: one row per component lot and lot that was made, over all that was issued less returned.
-- column plant: Plant.
-- column order_id: Order that used the one and made the other.
-- column material: Material of the component.
-- column batch: Lot of the component.
-- column output_material: Material that was made; null where the order is not known.
-- column output_batch: Lot that was made.
-- column quantity [unit]: Issued and scrapped less returned.
-- column unit: Unit of the quantity, UN/ECE Rec 20.
-- column first_time [us]: First use, UTC.
-- column last_time [us]: Last use, UTC.
WITH orders AS (
    SELECT plant, order_id, material
    FROM work_order
    QUALIFY row_number() OVER (PARTITION BY plant, order_id ORDER BY version DESC, event_time DESC) = 1
)
SELECT c.plant, c.order_id, c.material, c.batch, o.material AS output_material, c.output_batch,
       sum(CASE c.kind WHEN 'RETURN' THEN -c.quantity ELSE c.quantity END) AS quantity, c.unit,
       min(c.event_time) AS first_time, max(c.event_time) AS last_time
FROM material_consumption c
LEFT JOIN orders o USING (plant, order_id)
WHERE c.batch IS NOT NULL AND c.output_batch IS NOT NULL AND c.kind <> 'BY_PRODUCT'
GROUP BY ALL
HAVING sum(CASE c.kind WHEN 'RETURN' THEN -c.quantity ELSE c.quantity END) > 0
