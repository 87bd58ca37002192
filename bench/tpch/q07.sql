SELECT seller.n_name, buyer.n_name, year(l_shipdate),
       sum(l_extendedprice * (1 - l_discount))
FROM t.supplier JOIN t.lineitem ON s_suppkey = l_suppkey
JOIN t.orders ON o_orderkey = l_orderkey
JOIN t.customer ON c_custkey = o_custkey
JOIN t.nation AS seller ON s_nationkey = seller.n_nationkey
JOIN t.nation AS buyer ON c_nationkey = buyer.n_nationkey
WHERE (seller.n_name, buyer.n_name) IN (('FRANCE', 'GERMANY'), ('GERMANY', 'FRANCE'))
AND l_shipdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
GROUP BY ALL ORDER BY ALL
