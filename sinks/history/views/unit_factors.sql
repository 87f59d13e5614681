-- How many base units of a material one of a unit is, by the newest version of the material.
-- column plant: Plant.
-- column material: Material.
-- column unit: Unit, UN/ECE Rec 20.
-- column factor: Base units of one unit.
WITH newest AS (
    SELECT plant, material, base_unit, conversions
    FROM material
    QUALIFY row_number() OVER (PARTITION BY plant, material ORDER BY version DESC, event_time DESC) = 1
)
SELECT plant, material, base_unit AS unit, 1.0 AS factor
FROM newest
UNION ALL
SELECT plant, material, part.unit, CAST(part.numerator AS DOUBLE) / CAST(part.denominator AS DOUBLE)
FROM (SELECT plant, material, unnest(conversions) AS part FROM newest)
