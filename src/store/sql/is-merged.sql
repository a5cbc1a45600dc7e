-- Whether a visitor is nobody any more, because their chat was joined to an identified visitor.
SELECT EXISTS (SELECT FROM visitors WHERE id = :visitorId::uuid AND merged_into IS NOT NULL) AS "isMerged!"
