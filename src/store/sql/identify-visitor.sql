-- Finds the visitor with an external id, or makes one, and gives them what the organisation's site says about them. A claim that
-- is null changes nothing. An email that another account of the organisation has is left out. A unique violation: a rival
-- made the same visitor, or an account with that email, in the same moment.
WITH known AS MATERIALIZED (
  SELECT visitor_id FROM visitor_identities
  WHERE organisation_id = :organisationId::uuid AND external_id = :externalId::text
),
given AS MATERIALIZED (
  SELECT :name?::text AS name, free.email, CASE WHEN free.email IS NOT NULL THEN :emailKey?::text END AS email_key
  FROM (
    SELECT CASE WHEN NOT EXISTS (
      SELECT FROM visitors
      WHERE email_key = ANY(:emailKeys::text[]) AND organisation_id = :organisationId
        AND id NOT IN (SELECT visitor_id FROM known)
    ) THEN :email?::text END AS email
  ) free
),
made AS (
  INSERT INTO visitors (id, organisation_id, name, email, email_key, is_anonymous)
  SELECT :id::uuid, :organisationId, coalesce(given.name, :fallbackName::text), given.email, given.email_key, false
  FROM given WHERE NOT EXISTS (SELECT FROM known)
  RETURNING visitors AS visitor, id
),
named AS (
  INSERT INTO visitor_identities (organisation_id, external_id, visitor_id, attributes)
  SELECT :organisationId, :externalId, made.id, :attributes?::json FROM made
),
changed AS (
  UPDATE visitors SET name = next.name, email = next.email, email_key = next.email_key,
    updated_at = CASE WHEN (next.name, next.email) IS DISTINCT FROM (visitors.name, visitors.email)
      THEN now() ELSE visitors.updated_at END
  FROM known
  JOIN visitors before ON before.id = known.visitor_id
  CROSS JOIN given
  CROSS JOIN LATERAL (
    SELECT coalesce(given.name, before.name) AS name, coalesce(given.email, before.email) AS email,
      coalesce(given.email_key, before.email_key) AS email_key
  ) next
  WHERE visitors.id = known.visitor_id
  RETURNING visitors AS visitor
),
attributed AS (
  UPDATE visitor_identities SET attributes = :attributes, updated_at = now()
  FROM known
  WHERE visitor_identities.visitor_id = known.visitor_id AND :attributes IS NOT NULL
    AND :attributes::text IS DISTINCT FROM attributes::text
)
SELECT to_json(visitor) AS "visitor!", true AS "isNew!" FROM made
UNION ALL
SELECT to_json(visitor), false FROM changed
