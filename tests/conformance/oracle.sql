-- The unbounded person stage in plain SQL (DuckDB): what contributions are before the clip, in units of one device in one slot, or one trip.
-- Reads: pings (STORED_PINGS), presence_cells (idx, cell), flows_cells (idx, cell), rules (one row), offsets (start_us, offset_us), day_slots (idx, start_min).
-- No result relies on the order of a stream: every order is a window's or an aggregate's own (DuckDB 2.0 handed an ORDER BY stream out of order to
-- to_arrow_reader when preserve_insertion_order was false).

CREATE OR REPLACE MACRO meters(lat_a, lon_a, lat_b, lon_b) AS
  2 * 6371008.8 * asin(least(1.0, sqrt(
    pow(sin(radians((lat_b - lat_a) / 1e6) / 2), 2)
    + cos(radians(lat_a / 1e6)) * cos(radians(lat_b / 1e6)) * pow(sin(radians((lon_b - lon_a) / 1e6) / 2), 2))));

CREATE OR REPLACE MACRO lift(cell, level) AS
  (cell & ~(15::BIGINT << 52)) | (level::BIGINT << 52) | ((1::BIGINT << (3 * (15 - level))) - 1);

-- One ping an instant, in the total order; then window and accuracy.
CREATE OR REPLACE TEMP TABLE usable AS
WITH instants AS (
  SELECT *, row_number() OVER (PARTITION BY device_hi, device_lo, t_us ORDER BY cell, lat_e6, lon_e6, accuracy_dm) AS nth FROM pings
)
SELECT device_hi, device_lo, t_us, lat_e6::BIGINT AS lat, lon_e6::BIGINT AS lon, cell,
       row_number() OVER (PARTITION BY device_hi, device_lo ORDER BY t_us) AS i
FROM instants, rules
WHERE nth = 1 AND t_us >= rules.start_us AND t_us < rules.end_us AND instants.accuracy_dm <= rules.accuracy_dm;

-- Speed: from the last kept ping, one ping a step.
CREATE OR REPLACE TEMP TABLE kept AS
WITH RECURSIVE walk AS (
  SELECT device_hi, device_lo, i, true AS keep, t_us AS last_t, lat AS last_lat, lon AS last_lon FROM usable WHERE i = 1
  UNION ALL
  SELECT u.device_hi, u.device_lo, u.i, ok, if(ok, u.t_us, last_t), if(ok, u.lat, last_lat), if(ok, u.lon, last_lon)
  FROM (
    SELECT u.*, w.last_t, w.last_lat, w.last_lon, meters(last_lat, last_lon, u.lat, u.lon) * 1e9 <= rules.speed_mm_s * (u.t_us - last_t) AS ok
    FROM walk w JOIN usable u ON u.device_hi = w.device_hi AND u.device_lo = w.device_lo AND u.i = w.i + 1, rules
  ) u
)
SELECT u.device_hi, u.device_lo, u.t_us, u.lat, u.lon, u.cell,
       row_number() OVER (PARTITION BY u.device_hi, u.device_lo ORDER BY u.i) AS i
FROM walk w JOIN usable u ON u.device_hi = w.device_hi AND u.device_lo = w.device_lo AND u.i = w.i
WHERE w.keep;

-- Stays: where the halt from each anchor would end, then the walk from anchor to anchor.
CREATE OR REPLACE TEMP TABLE halts AS
WITH parts AS (
  SELECT *, sum(silent) OVER (PARTITION BY device_hi, device_lo ORDER BY i) AS part, max(i) OVER (PARTITION BY device_hi, device_lo) AS last_i
  FROM (SELECT kept.*, if(t_us - lag(t_us) OVER (PARTITION BY device_hi, device_lo ORDER BY i) > rules.gap_us, 1, 0) AS silent FROM kept, rules)
),
ends AS (SELECT *, max(i) OVER (PARTITION BY device_hi, device_lo, part) + 1 AS stop FROM parts),
outside AS (
  SELECT a.device_hi, a.device_lo, a.i, min(b.i) AS j
  FROM ends a JOIN ends b ON a.device_hi = b.device_hi AND a.device_lo = b.device_lo AND a.part = b.part AND b.i > a.i, rules
  WHERE meters(a.lat, a.lon, b.lat, b.lon) > rules.radius_m
  GROUP BY ALL
)
SELECT e.device_hi, e.device_lo, e.i, coalesce(o.j, e.stop) AS j, e.t_us AS start_us, l.t_us AS end_us, l.t_us - e.t_us >= rules.least_us AS stay
FROM ends e
LEFT JOIN outside o ON o.device_hi = e.device_hi AND o.device_lo = e.device_lo AND o.i = e.i
JOIN kept l ON l.device_hi = e.device_hi AND l.device_lo = e.device_lo AND l.i = coalesce(o.j, e.stop) - 1, rules;

CREATE OR REPLACE TEMP TABLE stays AS
WITH RECURSIVE anchors AS (
  SELECT * FROM halts WHERE i = 1
  UNION ALL
  SELECT h.* FROM anchors a JOIN halts h ON h.device_hi = a.device_hi AND h.device_lo = a.device_lo, rules
  WHERE h.i = if(a.stay OR a.j - a.i > rules.restart_limit, a.j, a.i + 1)
),
members AS (
  SELECT a.device_hi, a.device_lo, a.i, a.start_us, a.end_us, k.lat, k.lon, k.cell
  FROM anchors a JOIN kept k ON k.device_hi = a.device_hi AND k.device_lo = a.device_lo AND k.i >= a.i AND k.i < a.j
  WHERE a.stay
),
votes AS (SELECT device_hi, device_lo, i, cell, count(*) AS n FROM members GROUP BY ALL),
cells AS (SELECT device_hi, device_lo, i, arg_max(cell, (n, -cell)) AS cell FROM votes GROUP BY ALL)
SELECT m.device_hi, m.device_lo, m.i, m.start_us, m.end_us, c.cell,
       floor(sum(m.lat) / count(*))::BIGINT AS lat, floor(sum(m.lon) / count(*))::BIGINT AS lon
FROM members m JOIN cells c ON c.device_hi = m.device_hi AND c.device_lo = m.device_lo AND c.i = m.i
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE flows AS
WITH pairs AS (
  SELECT *, lag(end_us) OVER w AS left_us, lag(cell) OVER w AS from_cell, lag(lat) OVER w AS from_lat, lag(lon) OVER w AS from_lon
  FROM stays WINDOW w AS (PARTITION BY device_hi, device_lo ORDER BY start_us)
),
trips AS (
  SELECT o.idx AS o, d.idx AS d,
         (left_us + (SELECT arg_max(f.offset_us, f.start_us) FROM offsets f WHERE f.start_us <= left_us)) // 60000000 % 1440 AS minute
  FROM pairs, rules, flows_cells o, flows_cells d
  WHERE left_us IS NOT NULL AND pairs.start_us - left_us <= rules.trip_us AND meters(from_lat, from_lon, lat, lon) > rules.radius_m
    AND o.cell = lift(from_cell, rules.flows_level) AND d.cell = lift(pairs.cell, rules.flows_level)
)
SELECT (o * (SELECT count(*) FROM flows_cells) + d) * (SELECT count(*) FROM day_slots)
       + (SELECT max(idx) FROM day_slots WHERE start_min <= minute) AS key, count(*) AS n
FROM trips GROUP BY ALL;

-- Presence: holds cut at the slots, the longest-held cell of each slot.
CREATE OR REPLACE TEMP TABLE presence AS
WITH holds AS (
  SELECT kept.device_hi, kept.device_lo, kept.i, p.idx AS place, t_us AS a,
         least(t_us + rules.hold_us, rules.end_us, coalesce(lead(t_us) OVER (PARTITION BY kept.device_hi, kept.device_lo ORDER BY i), rules.end_us)) AS b
  FROM kept CROSS JOIN rules LEFT JOIN presence_cells p ON p.cell = lift(kept.cell, rules.presence_level)
),
pieces AS (
  SELECT device_hi, device_lo, place, a, b, unnest(generate_series((a - rules.start_us) // rules.slot_us, (b - 1 - rules.start_us) // rules.slot_us)) AS slot
  FROM holds, rules WHERE place IS NOT NULL
),
held AS (
  SELECT device_hi, device_lo, slot, place,
         sum(least(b, rules.start_us + (slot + 1) * rules.slot_us) - greatest(a, rules.start_us + slot * rules.slot_us)) AS us
  FROM pieces, rules GROUP BY ALL
),
longest AS (SELECT device_hi, device_lo, slot, arg_max(place, (us, -place)) AS place FROM held GROUP BY ALL)
SELECT place * (SELECT slots FROM rules) + slot AS key, count(*) AS n FROM longest GROUP BY ALL;

SELECT block, key::BIGINT AS key, n::BIGINT AS n FROM (SELECT 0 AS block, * FROM presence UNION ALL SELECT 1 AS block, * FROM flows) ORDER BY ALL;
