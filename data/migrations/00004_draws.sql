-- Draws, assignments, offers. Run as role jebi_owner in schema jebi.
-- +goose Up

CREATE TABLE draw (
  cohort_id    int PRIMARY KEY REFERENCES cohort,      -- one draw a cohort
  draw_id      text NOT NULL UNIQUE CHECK (draw_id ~ '^[a-z0-9-]{1,64}$'),
  k_commit     bytea NOT NULL CHECK (octet_length(k_commit) = 32),
  manifest     bytea NOT NULL,                          -- file bytes, as on the board
  announced_at timestamptz NOT NULL DEFAULT jebi_now(),
  supply       bytea,                                   -- file bytes, written at the freeze
  excluded     bytea,
  leaf_count   int CHECK (leaf_count >= 1),             -- leaf 0 included
  root         bytea CHECK (octet_length(root) = 32),
  checkpoint   bytea,
  frozen_at    timestamptz,
  entropy      bytea,                                   -- file bytes
  seed         bytea CHECK (octet_length(seed) = 32),
  outcome_root bytea CHECK (octet_length(outcome_root) = 32),
  claims       bytea,
  cutoffs      bytea,
  drawn_at     timestamptz,
  verified_at  timestamptz,                             -- the bundle was verified before publication
  published_at timestamptz,
  CHECK ((frozen_at IS NULL) = (root IS NULL)),
  CHECK ((drawn_at IS NULL) = (seed IS NULL)),
  CHECK (published_at IS NULL OR verified_at IS NOT NULL)
);
-- What was written once is never written again.
-- +goose StatementBegin
CREATE FUNCTION draw_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a draw is never deleted' USING ERRCODE = 'restrict_violation';
  END IF;
  IF (OLD.cohort_id, OLD.draw_id, OLD.k_commit, OLD.manifest, OLD.announced_at) IS DISTINCT FROM (NEW.cohort_id, NEW.draw_id, NEW.k_commit, NEW.manifest, NEW.announced_at)
     OR OLD.frozen_at IS NOT NULL AND (OLD.supply, OLD.excluded, OLD.leaf_count, OLD.root, OLD.frozen_at) IS DISTINCT FROM (NEW.supply, NEW.excluded, NEW.leaf_count, NEW.root, NEW.frozen_at)
     OR OLD.drawn_at IS NOT NULL AND (OLD.entropy, OLD.seed, OLD.outcome_root, OLD.claims, OLD.cutoffs, OLD.drawn_at) IS DISTINCT FROM (NEW.entropy, NEW.seed, NEW.outcome_root, NEW.claims, NEW.cutoffs, NEW.drawn_at)
     OR OLD.published_at IS NOT NULL AND OLD.published_at IS DISTINCT FROM NEW.published_at THEN
    RAISE EXCEPTION 'draw %: what is written stands', OLD.draw_id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER once BEFORE UPDATE OR DELETE ON draw FOR EACH ROW EXECUTE FUNCTION draw_once();

-- Seats that the board has promised: what the draw had, and later releases. Offers use no others.
ALTER TABLE slot ADD COLUMN released_seats int NOT NULL DEFAULT 0 CHECK (released_seats >= 0);

-- K_draw: for pids, receipts and auditors; never published.
CREATE TABLE draw_secret (
  cohort_id int PRIMARY KEY REFERENCES draw,
  k         bytea NOT NULL CHECK (octet_length(k) = 32)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON draw_secret FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Randomness as it was recorded, by two officials; position: in manifest order, from 0.
CREATE TABLE draw_source (
  cohort_id    int NOT NULL REFERENCES draw,
  position     smallint NOT NULL CHECK (position >= 0),
  type         smallint NOT NULL CHECK (type BETWEEN 1 AND 4),
  present      boolean NOT NULL,
  value        bytea NOT NULL,
  signature    bytea,
  envelope     bytea,                                   -- what the envelope of a trustee counted absent held
  note         text,                                    -- a trustee's signed note, or why she counts as absent
  recorded_at  timestamptz NOT NULL DEFAULT jebi_now(),
  proposed_by  int REFERENCES official,
  confirmed_by int REFERENCES official,
  PRIMARY KEY (cohort_id, position),
  CHECK (present OR (type = 1 AND value = '')),
  CHECK (envelope IS NULL OR type = 1 AND NOT present),
  CHECK (proposed_by IS DISTINCT FROM confirmed_by OR proposed_by IS NULL)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON draw_source FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The offline profile: a trustee's sealed envelope, handed in or recorded absent before the first die.
CREATE TABLE draw_envelope (
  cohort_id    int NOT NULL REFERENCES draw,
  position     smallint NOT NULL CHECK (position >= 0),
  handed_in    boolean NOT NULL,
  reason       text NOT NULL DEFAULT '',
  recorded_at  timestamptz NOT NULL DEFAULT jebi_now(),
  proposed_by  int REFERENCES official,
  confirmed_by int REFERENCES official,
  PRIMARY KEY (cohort_id, position),
  CHECK (handed_in OR reason <> ''),
  CHECK (proposed_by IS DISTINCT FROM confirmed_by OR proposed_by IS NULL)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON draw_envelope FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Which source may be recorded when: nobody who speaks late may choose between seeds.
-- +goose StatementBegin
CREATE FUNCTION draw_announced(c int) RETURNS TABLE (place int, kind int) LANGUAGE sql STABLE AS $$
  SELECT (n - 1)::int, (s ->> 'type')::int
    FROM jebi.draw d, jsonb_array_elements(convert_from(d.manifest, 'UTF8')::jsonb -> 'sources') WITH ORDINALITY AS x (s, n)
   WHERE d.cohort_id = c
$$;

CREATE FUNCTION draw_source_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  last int := (SELECT max(a.place) FROM draw_announced(NEW.cohort_id) a);
  announced int := (SELECT a.kind FROM draw_announced(NEW.cohort_id) a WHERE a.place = NEW.position);
  last_in boolean := EXISTS (SELECT FROM draw_source s WHERE s.cohort_id = NEW.cohort_id AND s.position = last);
  handed boolean := (SELECT e.handed_in FROM draw_envelope e WHERE e.cohort_id = NEW.cohort_id AND e.position = NEW.position);
BEGIN
  IF (SELECT c.state FROM cohort c WHERE c.id = NEW.cohort_id) IS DISTINCT FROM 'frozen' THEN
    RAISE EXCEPTION 'cohort %: randomness is recorded only while it is frozen', NEW.cohort_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  ELSIF announced IS DISTINCT FROM NEW.type::int THEN
    RAISE EXCEPTION 'cohort %: source % was not announced with type %', NEW.cohort_id, NEW.position, NEW.type USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  ELSIF NEW.position = last AND EXISTS (SELECT FROM draw_announced(NEW.cohort_id) a WHERE a.place <> last
          AND NOT EXISTS (SELECT FROM draw_source s WHERE s.cohort_id = NEW.cohort_id AND s.position = a.place)
          AND NOT (a.kind = 1 AND EXISTS (SELECT FROM draw_envelope e WHERE e.cohort_id = NEW.cohort_id AND e.position = a.place))) THEN
    RAISE EXCEPTION 'cohort %: before the last source every other is recorded, or its envelope', NEW.cohort_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  ELSIF NEW.position <> last AND NOT last_in AND handed THEN
    RAISE EXCEPTION 'cohort %: envelopes are opened after the dice', NEW.cohort_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  ELSIF NEW.position <> last AND last_in AND handed IS NULL THEN
    RAISE EXCEPTION 'cohort %: source % comes after the last one', NEW.cohort_id, NEW.position USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  ELSIF NEW.present AND handed IS FALSE THEN
    RAISE EXCEPTION 'cohort %: trustee % was recorded absent', NEW.cohort_id, NEW.position USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION draw_envelope_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT c.state FROM cohort c WHERE c.id = NEW.cohort_id) IS DISTINCT FROM 'frozen' THEN
    RAISE EXCEPTION 'cohort %: envelopes are recorded only while it is frozen', NEW.cohort_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  ELSIF (SELECT a.kind FROM draw_announced(NEW.cohort_id) a WHERE a.place = NEW.position) IS DISTINCT FROM 1 THEN
    RAISE EXCEPTION 'cohort %: source % is no trustee', NEW.cohort_id, NEW.position USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  ELSIF EXISTS (SELECT FROM draw_source s WHERE s.cohort_id = NEW.cohort_id AND (s.type <> 1 OR s.present)) THEN
    RAISE EXCEPTION 'cohort %: envelopes are recorded before the first die', NEW.cohort_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  END IF;
  RETURN NEW;
END $$;

-- After the first die or reveal a draw is never voided.
CREATE FUNCTION cohort_void() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM draw_source s WHERE s.cohort_id = NEW.id AND (s.type <> 1 OR s.present OR s.envelope IS NOT NULL)) THEN
    RAISE EXCEPTION 'cohort %: after the first die or reveal a draw is never voided', NEW.key USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_void';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER in_order BEFORE INSERT ON draw_source FOR EACH ROW EXECUTE FUNCTION draw_source_order();
CREATE TRIGGER in_order BEFORE INSERT ON draw_envelope FOR EACH ROW EXECUTE FUNCTION draw_envelope_order();
CREATE TRIGGER void_early BEFORE UPDATE ON cohort FOR EACH ROW WHEN (NEW.state = 'void' AND OLD.state <> 'void') EXECUTE FUNCTION cohort_void();

-- The frozen ballots: position in leaves.bin, from 1.
CREATE TABLE draw_leaf (
  cohort_id int NOT NULL,
  position  int NOT NULL CHECK (position >= 1),
  person_id bigint NOT NULL,
  pid       bytea NOT NULL CHECK (octet_length(pid) = 16),
  gid       bytea NOT NULL CHECK (octet_length(gid) = 16),
  weight    smallint NOT NULL CHECK (weight BETWEEN 1 AND 100),
  revision  int NOT NULL,
  commit    bytea NOT NULL CHECK (octet_length(commit) = 32),
  PRIMARY KEY (cohort_id, position)
);
CREATE INDEX draw_leaf_person ON draw_leaf (person_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON draw_leaf FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An entity (person or party) in draw order, and what the draw gave it.
CREATE TABLE ticket (
  cohort_id int NOT NULL,
  rank      int NOT NULL CHECK (rank >= 1),
  entity    bytea NOT NULL CHECK (octet_length(entity) = 16),
  size      smallint NOT NULL CHECK (size BETWEEN 1 AND 4),
  weight    smallint NOT NULL CHECK (weight BETWEEN 1 AND 100),
  pool      text NOT NULL DEFAULT '',
  ticket    bytea NOT NULL CHECK (octet_length(ticket) = 32),
  choice    smallint NOT NULL CHECK (choice BETWEEN 0 AND 5), -- 0: nothing
  slot_id   bigint,
  second_id bigint,
  PRIMARY KEY (cohort_id, rank),
  CHECK ((choice = 0) = (slot_id IS NULL))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ticket FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE ticket_member (
  cohort_id int NOT NULL,
  person_id bigint NOT NULL,
  rank      int NOT NULL,
  PRIMARY KEY (cohort_id, person_id)
);
CREATE INDEX ticket_member_rank ON ticket_member (cohort_id, rank);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ticket_member FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE cut_off (
  cohort_id int NOT NULL,
  slot_id   bigint NOT NULL,
  size      smallint NOT NULL,
  doses     smallint NOT NULL,
  pool      text NOT NULL,
  rank      int NOT NULL CHECK (rank >= 1),
  PRIMARY KEY (cohort_id, slot_id, size, doses, pool)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cut_off FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A person's place. One that is alive (assigned, confirmed) at most, in a campaign.
CREATE TABLE assignment (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL,
  cohort_id   int NOT NULL,
  person_id   bigint NOT NULL,
  rank        int NOT NULL,
  slot_id     bigint NOT NULL,            -- checked by the seats trigger, which is faster than a foreign key
  second_id   bigint,
  choice      smallint NOT NULL CHECK (choice BETWEEN 1 AND 5),
  origin      text NOT NULL CHECK (origin IN ('draw', 'offer', 'move')),
  state       text NOT NULL DEFAULT 'assigned' CHECK (state IN ('assigned', 'confirmed', 'declined', 'lapsed', 'cancelled', 'closed', 'moved')),
  at          timestamptz NOT NULL DEFAULT jebi_now(),
  ended_at    timestamptz,
  CHECK ((state IN ('assigned', 'confirmed')) = (ended_at IS NULL))
);
CREATE UNIQUE INDEX assignment_once ON assignment (campaign_id, person_id) WHERE state IN ('assigned', 'confirmed');
CREATE INDEX assignment_slot ON assignment (slot_id) WHERE state IN ('assigned', 'confirmed');
CREATE INDEX assignment_rank ON assignment (cohort_id, rank);

-- The waitlist: entities without a place, in ticket order.
CREATE TABLE waiting (
  cohort_id int NOT NULL,
  rank      int NOT NULL,
  state     text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'seated', 'off')),
  lapses    smallint NOT NULL DEFAULT 0 CHECK (lapses >= 0),
  cancelled boolean NOT NULL DEFAULT false, -- a clinic cancelled its slot: it is served before the others
  why       text NOT NULL DEFAULT '' CHECK (why IN ('', 'lapses', 'asked', 'ineligible', 'vaccinated', 'settled')),
  PRIMARY KEY (cohort_id, rank)
);
-- Slots that a waiting ticket declined or let lapse: never offered to it again.
CREATE TABLE struck (
  cohort_id int NOT NULL,
  rank      int NOT NULL,
  slot_id   bigint NOT NULL,
  at        timestamptz NOT NULL DEFAULT jebi_now(),
  PRIMARY KEY (cohort_id, rank, slot_id)
);
CREATE TABLE offer (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  cohort_id  int NOT NULL,
  rank       int NOT NULL,
  slot_id    bigint NOT NULL,
  second_id  bigint,
  choice     smallint NOT NULL CHECK (choice BETWEEN 1 AND 5),
  size       smallint NOT NULL CHECK (size BETWEEN 1 AND 4),
  state      text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'accepted', 'declined', 'lapsed', 'replaced', 'withdrawn')),
  batch_at   timestamptz NOT NULL,
  offered_at timestamptz NOT NULL DEFAULT jebi_now(),
  deadline   timestamptz NOT NULL,
  ended_at   timestamptz,
  CHECK ((state = 'live') = (ended_at IS NULL)),
  CHECK (deadline > offered_at)
);
CREATE UNIQUE INDEX offer_one_live ON offer (cohort_id, rank) WHERE state = 'live';
CREATE UNIQUE INDEX offer_slot_once ON offer (cohort_id, rank, slot_id) WHERE state IN ('live', 'accepted', 'declined', 'lapsed');
CREATE INDEX offer_due ON offer (deadline) WHERE state = 'live';
-- Why a waiting ticket was passed over where a slot that it lists had free seats: once a slot and reason.
CREATE TABLE offer_skip (
  cohort_id int NOT NULL,
  rank      int NOT NULL,
  slot_id   bigint NOT NULL,               -- 0: the reason is the ticket's
  reason    text NOT NULL CHECK (reason <> ''),
  batch_at  timestamptz NOT NULL,          -- the first batch of which it was true
  PRIMARY KEY (cohort_id, rank, slot_id, reason)
);

-- Each table of a draw is written in its state only: nothing enters a frozen draw, nothing is added to a result.
-- +goose StatementBegin
CREATE FUNCTION written_in_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad text;
BEGIN
  SELECT c.key || ' is ' || c.state INTO bad FROM cohort c
   WHERE c.id IN (SELECT DISTINCT cohort_id FROM new_rows) AND NOT c.state = ANY (TG_ARGV) LIMIT 1;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'cohort %: % takes no rows now', bad, TG_TABLE_NAME USING ERRCODE = 'restrict_violation', CONSTRAINT = 'written_in_state';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION assignment_in_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad text;
BEGIN
  SELECT c.key || ' is ' || c.state INTO bad FROM (SELECT DISTINCT cohort_id, origin FROM new_rows) n JOIN cohort c ON c.id = n.cohort_id
   WHERE NOT CASE n.origin WHEN 'draw' THEN c.state = 'frozen' WHEN 'offer' THEN c.state = 'published' ELSE c.state IN ('published', 'settled') END LIMIT 1;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'cohort %: no such assignment now', bad USING ERRCODE = 'restrict_violation', CONSTRAINT = 'written_in_state';
  END IF;
  RETURN NULL;
END $$;

-- A place or an offer ends once, and is never another's or elsewhere.
CREATE FUNCTION assignment_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state NOT IN ('assigned', 'confirmed') OR OLD.state = 'confirmed' AND NEW.state = 'assigned'
     OR (OLD.campaign_id, OLD.cohort_id, OLD.person_id, OLD.rank, OLD.slot_id, OLD.second_id, OLD.choice, OLD.origin, OLD.at)
        IS DISTINCT FROM (NEW.campaign_id, NEW.cohort_id, NEW.person_id, NEW.rank, NEW.slot_id, NEW.second_id, NEW.choice, NEW.origin, NEW.at) THEN
    RAISE EXCEPTION 'assignment %: % does not become %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation', CONSTRAINT = 'assignment_ends';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION offer_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state <> 'live' OR (OLD.cohort_id, OLD.rank, OLD.slot_id, OLD.second_id, OLD.choice, OLD.size, OLD.offered_at)
        IS DISTINCT FROM (NEW.cohort_id, NEW.rank, NEW.slot_id, NEW.second_id, NEW.choice, NEW.size, NEW.offered_at) THEN
    RAISE EXCEPTION 'offer %: % does not become %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation', CONSTRAINT = 'offer_ends';
  END IF;
  RETURN NEW;
END $$;

-- An offer lies inside the choice that it is said to come from, for every member, and was not struck.
CREATE FUNCTION offer_inside() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad int;
BEGIN
  SELECT o.rank INTO bad
    FROM new_rows o
    LEFT JOIN slot s ON s.id = o.slot_id AND s.cohort_id = o.cohort_id
    LEFT JOIN clinic c ON c.id = s.clinic_id
    LEFT JOIN ticket_member m ON m.cohort_id = o.cohort_id AND m.rank = o.rank
    LEFT JOIN ballot b ON b.campaign_id = s.campaign_id AND b.person_id = m.person_id AND NOT b.withdrawn
    CROSS JOIN LATERAL (SELECT convert_from(b.bytes, 'UTF8')::jsonb -> 'choices' -> (o.choice - 1) AS j) ch
   WHERE o.state = 'live'
     AND ((ch.j -> 'clinics' ? c.key AND ch.j -> 'dates' ? to_char(s.date, 'YYYY-MM-DD') AND ch.j -> 'parts' ? s.part) IS NOT TRUE
          OR EXISTS (SELECT FROM struck k WHERE k.cohort_id = o.cohort_id AND k.rank = o.rank AND k.slot_id = o.slot_id))
   LIMIT 1;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'rank %: the offer lies outside the choice, or was struck', bad USING ERRCODE = 'check_violation', CONSTRAINT = 'offer_inside_choice';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER in_state AFTER INSERT ON draw_leaf REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION written_in_state('closed');
CREATE TRIGGER in_state AFTER INSERT ON ticket REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION written_in_state('frozen');
CREATE TRIGGER in_state AFTER INSERT ON ticket_member REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION written_in_state('frozen');
CREATE TRIGGER in_state AFTER INSERT ON cut_off REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION written_in_state('frozen');
CREATE TRIGGER in_state AFTER INSERT ON waiting REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION written_in_state('frozen', 'published');
CREATE TRIGGER in_state AFTER INSERT ON offer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION written_in_state('published');
CREATE TRIGGER in_state AFTER INSERT ON assignment REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION assignment_in_state();
CREATE TRIGGER ends BEFORE UPDATE ON assignment FOR EACH ROW EXECUTE FUNCTION assignment_ends();
CREATE TRIGGER ends BEFORE UPDATE ON offer FOR EACH ROW EXECUTE FUNCTION offer_ends();
CREATE TRIGGER inside_insert AFTER INSERT ON offer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION offer_inside();

-- Seats in use and on offer, kept by statement: COPY of millions obeys it too. Rows locked in id order.
-- +goose StatementBegin
CREATE FUNCTION seats_add(slots bigint[], uses int[], holds int[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE missing bigint;
BEGIN
  PERFORM 1 FROM slot WHERE id = ANY (slots) ORDER BY id FOR NO KEY UPDATE;
  UPDATE slot s SET used = s.used + d.used, held = s.held + d.held
    FROM unnest(slots, uses, holds) AS d (slot_id, used, held)
   WHERE s.id = d.slot_id AND (d.used <> 0 OR d.held <> 0);
  SELECT u INTO missing FROM unnest(slots) u WHERE NOT EXISTS (SELECT FROM slot s WHERE s.id = u) LIMIT 1;
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'slot % does not exist', missing USING ERRCODE = 'foreign_key_violation';
  END IF;
END $$;

CREATE FUNCTION assignment_seats() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE slots bigint[]; uses int[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT array_agg(slot_id ORDER BY slot_id), array_agg(n ORDER BY slot_id) INTO slots, uses FROM (
      SELECT slot_id, count(*)::int AS n FROM (
        SELECT slot_id FROM new_rows WHERE state IN ('assigned', 'confirmed')
        UNION ALL SELECT second_id FROM new_rows WHERE state IN ('assigned', 'confirmed') AND second_id IS NOT NULL) x
      GROUP BY slot_id) y;
  ELSIF TG_OP = 'DELETE' THEN
    SELECT array_agg(slot_id ORDER BY slot_id), array_agg(n ORDER BY slot_id) INTO slots, uses FROM (
      SELECT slot_id, -count(*)::int AS n FROM (
        SELECT slot_id FROM old_rows WHERE state IN ('assigned', 'confirmed')
        UNION ALL SELECT second_id FROM old_rows WHERE state IN ('assigned', 'confirmed') AND second_id IS NOT NULL) x
      GROUP BY slot_id) y;
  ELSE
    SELECT array_agg(slot_id ORDER BY slot_id), array_agg(n ORDER BY slot_id) INTO slots, uses FROM (
      SELECT slot_id, sum(d)::int AS n FROM (
        SELECT slot_id, 1 AS d FROM new_rows WHERE state IN ('assigned', 'confirmed')
        UNION ALL SELECT second_id, 1 FROM new_rows WHERE state IN ('assigned', 'confirmed') AND second_id IS NOT NULL
        UNION ALL SELECT slot_id, -1 FROM old_rows WHERE state IN ('assigned', 'confirmed')
        UNION ALL SELECT second_id, -1 FROM old_rows WHERE state IN ('assigned', 'confirmed') AND second_id IS NOT NULL) x
      GROUP BY slot_id HAVING sum(d) <> 0) y;
  END IF;
  IF slots IS NOT NULL THEN
    PERFORM seats_add(slots, uses, array_fill(0, ARRAY[cardinality(slots)]));
  END IF;
  RETURN NULL;
END $$;

-- A place lies inside the choice that it is said to come from.
CREATE FUNCTION assignment_inside() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad bigint;
BEGIN
  SELECT a.person_id INTO bad
    FROM new_rows a
    LEFT JOIN ballot b ON b.campaign_id = a.campaign_id AND b.person_id = a.person_id AND NOT b.withdrawn AND b.cohort_id = a.cohort_id
    LEFT JOIN slot s ON s.id = a.slot_id AND s.cohort_id = a.cohort_id
    LEFT JOIN clinic c ON c.id = s.clinic_id
    CROSS JOIN LATERAL (SELECT convert_from(b.bytes, 'UTF8')::jsonb -> 'choices' -> (a.choice - 1) AS j) ch
   WHERE a.state IN ('assigned', 'confirmed')
     AND (ch.j -> 'clinics' ? c.key AND ch.j -> 'dates' ? to_char(s.date, 'YYYY-MM-DD') AND ch.j -> 'parts' ? s.part) IS NOT TRUE
   LIMIT 1;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'person %: the place lies outside the choice', bad USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_inside_choice';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION offer_seats() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE slots bigint[]; holds int[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT array_agg(slot_id ORDER BY slot_id), array_agg(n ORDER BY slot_id) INTO slots, holds FROM (
      SELECT slot_id, sum(size)::int AS n FROM (
        SELECT slot_id, size FROM new_rows WHERE state = 'live'
        UNION ALL SELECT second_id, size FROM new_rows WHERE state = 'live' AND second_id IS NOT NULL) x
      GROUP BY slot_id) y;
  ELSE
    SELECT array_agg(slot_id ORDER BY slot_id), array_agg(n ORDER BY slot_id) INTO slots, holds FROM (
      SELECT slot_id, sum(d)::int AS n FROM (
        SELECT slot_id, size AS d FROM new_rows WHERE state = 'live'
        UNION ALL SELECT second_id, size FROM new_rows WHERE state = 'live' AND second_id IS NOT NULL
        UNION ALL SELECT slot_id, -size FROM old_rows WHERE state = 'live'
        UNION ALL SELECT second_id, -size FROM old_rows WHERE state = 'live' AND second_id IS NOT NULL) x
      GROUP BY slot_id HAVING sum(d) <> 0) y;
  END IF;
  IF slots IS NOT NULL THEN
    PERFORM seats_add(slots, array_fill(0, ARRAY[cardinality(slots)]), holds);
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER inside_insert AFTER INSERT ON assignment REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION assignment_inside();
CREATE TRIGGER inside_update AFTER UPDATE ON assignment REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION assignment_inside();
CREATE TRIGGER seats_insert AFTER INSERT ON assignment REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION assignment_seats();
CREATE TRIGGER seats_update AFTER UPDATE ON assignment REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION assignment_seats();
CREATE TRIGGER seats_delete AFTER DELETE ON assignment REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION assignment_seats();
CREATE TRIGGER seats_insert AFTER INSERT ON offer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION offer_seats();
CREATE TRIGGER seats_update AFTER UPDATE ON offer REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION offer_seats();
CREATE TRIGGER no_delete BEFORE DELETE ON offer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
