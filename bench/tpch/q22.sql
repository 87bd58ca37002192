WITH asked AS (
    SELECT substring(c_phone, 1, 2) AS code, c_acctbal, c_custkey FROM t.customer
    WHERE substring(c_phone, 1, 2) IN ('13', '31', '23', '29', '30', '18', '17'))
SELECT code, count(*), sum(c_acctbal) FROM asked
WHERE c_acctbal > (SELECT avg(c_acctbal) FROM asked WHERE c_acctbal > 0)
AND NOT EXISTS (SELECT 1 FROM t.orders WHERE o_custkey = c_custkey)
GROUP BY code ORDER BY code
