-- New words for categories, ledger accounts and entries. PostgreSQL lets nobody use a word in the
-- transaction that adds it, so they come before what uses them.

-- A one-time code that a business of another country sends; some markets price it apart.
ALTER TYPE category ADD VALUE 'authentication_international' AFTER 'authentication';

-- `receivable` is what a business owes: below zero by what it has used on credit. `allowance` and
-- `adjustments` are given by the platform, below zero by what was given. `tax` is owed to the
-- state. What is earned is told apart by category; `revenue` has what was earned before it was.
ALTER TYPE ledger_account ADD VALUE 'receivable';
ALTER TYPE ledger_account ADD VALUE 'allowance';
ALTER TYPE ledger_account ADD VALUE 'adjustments';
ALTER TYPE ledger_account ADD VALUE 'tax';
ALTER TYPE ledger_account ADD VALUE 'revenue_utility';
ALTER TYPE ledger_account ADD VALUE 'revenue_authentication';
ALTER TYPE ledger_account ADD VALUE 'revenue_authentication_international';
ALTER TYPE ledger_account ADD VALUE 'revenue_marketing';
ALTER TYPE ledger_account ADD VALUE 'revenue_service';

-- A late capture charges a message that was delivered after its reservation had expired. A
-- repayment settles with prepaid money what is owed. A credit note gives back what an entry took,
-- an adjustment is what a re-rated message differs by, either way; tax is what an invoice adds.
ALTER TYPE entry_type ADD VALUE 'late_capture';
ALTER TYPE entry_type ADD VALUE 'repayment';
ALTER TYPE entry_type ADD VALUE 'credit_note';
ALTER TYPE entry_type ADD VALUE 'adjustment';
ALTER TYPE entry_type ADD VALUE 'tax';
