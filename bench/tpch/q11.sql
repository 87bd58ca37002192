WITH german AS (
    SELECT ps_partkey, ps_supplycost * ps_availqty AS worth
    FROM t.partsupp JOIN t.supplier ON ps_suppkey = s_suppkey
    JOIN t.nation ON s_nationkey = n_nationkey WHERE n_name = 'GERMANY')
SELECT ps_partkey, sum(worth) AS total FROM german GROUP BY ps_partkey
HAVING sum(worth) > (SELECT sum(worth) * 0.0001 FROM german)
ORDER BY total DESC
