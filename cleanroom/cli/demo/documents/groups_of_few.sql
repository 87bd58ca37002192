-- Who is insured how, in groups so small that each is nearly one person?
SELECT p.village, p.birth_decade, m.plan, count(DISTINCT p.person_key) AS people
FROM hospital.patients AS p
JOIN insurer.members AS m ON p.person_key = m.person_key
GROUP BY p.village, p.birth_decade, m.plan
