-- What took time with the square of the people. Run as role jebi_owner in schema jebi.
-- +goose Up

-- A place lies inside the choice that it is said to come from. Its ballot is looked for by its key alone: with the
-- cohort among what it was looked for by, and statistics from before the window, each place read through all ballots of
-- the cohort. Choices are parsed once.
-- And it is the first of all who are bad that is asked for, where any would do: for any one the planner takes the way
-- that would be the shortest if nearly all were bad.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION assignment_inside() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE bad bigint;
BEGIN
  SELECT min(x.person_id) INTO bad
    FROM (SELECT a.person_id, c.key, to_char(s.date, 'YYYY-MM-DD') AS date, s.part,
                 (SELECT CASE WHEN b.cohort_id = a.cohort_id AND NOT b.withdrawn THEN convert_from(b.bytes, 'UTF8')::jsonb -> 'choices' -> (a.choice - 1) END
                    FROM ballot b WHERE b.campaign_id = a.campaign_id AND b.person_id = a.person_id) AS choice
            FROM new_rows a
            LEFT JOIN slot s ON s.id = a.slot_id AND s.cohort_id = a.cohort_id
            LEFT JOIN clinic c ON c.id = s.clinic_id
           WHERE a.state IN ('assigned', 'confirmed')
          OFFSET 0) x
   WHERE (x.choice -> 'clinics' ? x.key AND x.choice -> 'dates' ? x.date AND x.choice -> 'parts' ? x.part) IS NOT TRUE;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'person %: the place lies outside the choice', bad USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_inside_choice';
  END IF;
  RETURN NULL;
END $$;

-- An offer lies inside the choice that it is said to come from, for every member, and was not struck. As above.
CREATE OR REPLACE FUNCTION offer_inside() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE bad int;
BEGIN
  SELECT min(x.rank) INTO bad
    FROM (SELECT o.cohort_id, o.rank, o.slot_id, c.key, to_char(s.date, 'YYYY-MM-DD') AS date, s.part,
                 (SELECT CASE WHEN NOT b.withdrawn THEN convert_from(b.bytes, 'UTF8')::jsonb -> 'choices' -> (o.choice - 1) END
                    FROM ballot b WHERE b.campaign_id = s.campaign_id AND b.person_id = m.person_id) AS choice
            FROM new_rows o
            LEFT JOIN slot s ON s.id = o.slot_id AND s.cohort_id = o.cohort_id
            LEFT JOIN clinic c ON c.id = s.clinic_id
            LEFT JOIN ticket_member m ON m.cohort_id = o.cohort_id AND m.rank = o.rank
           WHERE o.state = 'live'
          OFFSET 0) x
   WHERE (x.choice -> 'clinics' ? x.key AND x.choice -> 'dates' ? x.date AND x.choice -> 'parts' ? x.part) IS NOT TRUE
      OR EXISTS (SELECT FROM struck k WHERE k.cohort_id = x.cohort_id AND k.rank = x.rank AND k.slot_id = x.slot_id);
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'rank %: the offer lies outside the choice, or was struck', bad USING ERRCODE = 'check_violation', CONSTRAINT = 'offer_inside_choice';
  END IF;
  RETURN NULL;
END $$;

-- Millions of rows come within minutes, and the next step reads them before the server's own tidying has looked at them.
-- Where that is at it, it is left alone.
CREATE FUNCTION analyze_tables(tables text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = jebi, pg_temp SET lock_timeout = '1s' AS $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY tables LOOP
    IF t NOT IN ('ballot', 'ticket', 'ticket_member', 'waiting', 'assignment') THEN
      RAISE EXCEPTION 'no statistics of %', t USING ERRCODE = 'invalid_parameter_value';
    END IF;
    BEGIN
      EXECUTE format('ANALYZE %I', t);
    EXCEPTION WHEN lock_not_available THEN NULL;
    END;
  END LOOP;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION analyze_tables(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analyze_tables(text[]) TO jebi_app;
