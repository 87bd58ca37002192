SELECT year(o_orderdate),
       sum(CASE WHEN seller.n_name = 'BRAZIL' THEN l_extendedprice * (1 - l_discount) ELSE 0 END)
       / sum(l_extendedprice * (1 - l_discount))
FROM t.part JOIN t.lineitem ON p_partkey = l_partkey
JOIN t.supplier ON s_suppkey = l_suppkey
JOIN t.orders ON l_orderkey = o_orderkey
JOIN t.customer ON o_custkey = c_custkey
JOIN t.nation AS buyer ON c_nationkey = buyer.n_nationkey
JOIN t.region ON buyer.n_regionkey = r_regionkey
JOIN t.nation AS seller ON s_nationkey = seller.n_nationkey
WHERE r_name = 'AMERICA' AND o_orderdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
AND p_type = 'ECONOMY ANODIZED STEEL'
GROUP BY ALL ORDER BY ALL
