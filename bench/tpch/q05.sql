SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
FROM t.customer JOIN t.orders ON c_custkey = o_custkey
JOIN t.lineitem ON l_orderkey = o_orderkey
JOIN t.supplier ON l_suppkey = s_suppkey AND c_nationkey = s_nationkey
JOIN t.nation ON s_nationkey = n_nationkey
JOIN t.region ON n_regionkey = r_regionkey
WHERE r_name = 'ASIA' AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01'
GROUP BY n_name ORDER BY revenue DESC
