-- What did patient P000017 cost?
SELECT e.ward, sum(e.cost) AS total_cost
FROM hospital.encounters AS e
WHERE e.patient_id = 'P000017'
GROUP BY e.ward
