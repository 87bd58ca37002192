SELECT n_name, year(o_orderdate) AS in_year,
       sum(l_extendedprice * (1 - l_discount) - ps_supplycost * l_quantity)
FROM t.part JOIN t.lineitem ON p_partkey = l_partkey
JOIN t.supplier ON s_suppkey = l_suppkey
JOIN t.partsupp ON ps_suppkey = l_suppkey AND ps_partkey = l_partkey
JOIN t.orders ON o_orderkey = l_orderkey
JOIN t.nation ON s_nationkey = n_nationkey
WHERE p_name LIKE '%green%'
GROUP BY ALL ORDER BY n_name, in_year DESC
