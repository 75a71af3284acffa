-- Reserving begins with one question instead of three: the accounts held, and whether the rates that
-- a replica remembers are still all there are. Every transaction waits a round trip less twice, and
-- others wait for its accounts that much shorter.

-- The lock on "which rates there are": shared by whoever prices, exclusive for whoever adds rates.
CREATE FUNCTION rates_lock() RETURNS bigint
LANGUAGE sql
IMMUTABLE
AS $$ SELECT x'7261746573'::bigint $$;  -- "rates" in ASCII; nobody else locks on it

-- `hold_accounts`, and then the rates as they are until the transaction ends, with the number of the
-- newest. Each statement in here sees what was committed while the one before it waited.
CREATE FUNCTION hold_for_pricing(business_ids uuid[])
RETURNS TABLE (
    business_id uuid, currency_code text, available_micros bigint, newest_rate_id bigint
)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
    PERFORM FROM hold_accounts(business_ids);
    PERFORM pg_advisory_xact_lock_shared(rates_lock());
    RETURN QUERY
        SELECT balances.business_id, balances.currency_code, balances.balance_micros,
            (SELECT coalesce(max(rates.rate_id), 0) FROM rates)
        FROM balances
        WHERE balances.business_id = ANY (business_ids) AND balances.account = 'available';
END
$$;
