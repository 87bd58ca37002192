SELECT s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
FROM t.part JOIN t.partsupp AS offer ON p_partkey = offer.ps_partkey
JOIN t.supplier ON s_suppkey = offer.ps_suppkey
JOIN t.nation ON n_nationkey = s_nationkey
JOIN t.region ON r_regionkey = n_regionkey
WHERE p_size = 15 AND p_type LIKE '%BRASS' AND r_name = 'EUROPE'
AND offer.ps_supplycost = (
    SELECT min(other.ps_supplycost)
    FROM t.partsupp AS other JOIN t.supplier ON s_suppkey = other.ps_suppkey
    JOIN t.nation ON n_nationkey = s_nationkey
    JOIN t.region ON r_regionkey = n_regionkey
    WHERE other.ps_partkey = p_partkey AND r_name = 'EUROPE')
ORDER BY s_acctbal DESC, n_name, s_name, p_partkey LIMIT 100
