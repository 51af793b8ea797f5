-- Outgoing messages and rights. Run as role jebi_owner in schema jebi.
-- +goose Up

-- One row an event, person and channel: written in the transaction of what it tells about, sent by notify.
-- It holds no address and no text: both are made when it is sent, so corrections and purges work.
CREATE TABLE message (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id  int NOT NULL REFERENCES campaign,
  person_id    bigint,                                  -- null: to officials or a clinic, see recipient
  recipient    text NOT NULL DEFAULT '',                -- "clinic:KEY", "officials"; never an address
  event        text NOT NULL,                           -- "result/3", "offer/991", "window/2/extend/1": unique with person and channel
  channel      text NOT NULL CHECK (channel IN ('email', 'sms')),
  kind         text NOT NULL,                           -- key of the texts in cohort/words: "result", "offer", "code", ...
  params       jsonb NOT NULL DEFAULT '{}',             -- ids and codes only
  urgent       boolean NOT NULL DEFAULT false,          -- goes at night too (codes, offers with a near deadline)
  state        text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'undelivered', 'cancelled')),
  attempts     smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  due_at       timestamptz NOT NULL DEFAULT jebi_now(),
  lease_until  timestamptz,                             -- by the machine's clock, not jebi_now(): it says whether a program is alive
  created_at   timestamptz NOT NULL DEFAULT jebi_now(),
  ended_at     timestamptz,
  message_key  uuid NOT NULL DEFAULT gen_random_uuid(), -- Message-ID and gateway idempotency key: the same on every attempt
  last_error   text NOT NULL DEFAULT '',                -- a code, never an address
  CHECK ((state = 'queued') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX message_once ON message (campaign_id, event, channel, (COALESCE(person_id, 0)), recipient);
CREATE INDEX message_due ON message (campaign_id, channel, urgent DESC, due_at, id) WHERE state = 'queued';
CREATE INDEX message_person ON message (person_id);

-- Text messages handed to the gateway on a day of the campaign, against its daily cap.
CREATE TABLE sms_day (
  campaign_id int NOT NULL REFERENCES campaign,
  day         date NOT NULL,
  handed      int NOT NULL DEFAULT 0 CHECK (handed >= 0),
  PRIMARY KEY (campaign_id, day)
);

-- The program's role: everything except what append-only tables and the owner keep for themselves.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jebi TO jebi_app;
REVOKE UPDATE, DELETE ON campaign_version, audit, board, seal, ballot_history, draw_secret, draw_source, draw_envelope, draw_leaf, ticket, ticket_member, cut_off FROM jebi_app;
REVOKE DELETE ON draw, offer, assignment, cohort, campaign, official, proposal, message FROM jebi_app;
-- +goose StatementBegin
DO $$ BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('REVOKE ALL ON ballot_%s FROM jebi_app', i);
  END LOOP;
END $$;
-- +goose StatementEnd
GRANT USAGE ON ALL SEQUENCES IN SCHEMA jebi TO jebi_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA jebi TO jebi_app;
