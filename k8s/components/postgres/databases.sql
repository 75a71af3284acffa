-- One database and one role for each service, as `services/local/databases.py` makes them: no service
-- enters another's. Read once, when the data folder is new.

CREATE ROLE hudhud_identity LOGIN;
CREATE DATABASE hudhud_identity OWNER hudhud_identity TEMPLATE template0 ENCODING 'UTF8'
    LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE ALL ON DATABASE hudhud_identity FROM PUBLIC;

CREATE ROLE hudhud_policy LOGIN;
CREATE DATABASE hudhud_policy OWNER hudhud_policy TEMPLATE template0 ENCODING 'UTF8'
    LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE ALL ON DATABASE hudhud_policy FROM PUBLIC;

CREATE ROLE hudhud_billing LOGIN;
CREATE DATABASE hudhud_billing OWNER hudhud_billing TEMPLATE template0 ENCODING 'UTF8'
    LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE ALL ON DATABASE hudhud_billing FROM PUBLIC;
-- Billing serves as a guest, who may do what the owner grants to everybody, and no more.
CREATE ROLE hudhud_billing_guest LOGIN;
GRANT CONNECT ON DATABASE hudhud_billing TO hudhud_billing_guest;

CREATE ROLE hudhud_messaging LOGIN;
CREATE DATABASE hudhud_messaging OWNER hudhud_messaging TEMPLATE template0 ENCODING 'UTF8'
    LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE ALL ON DATABASE hudhud_messaging FROM PUBLIC;

CREATE ROLE hudhud_edge LOGIN;
CREATE DATABASE hudhud_edge OWNER hudhud_edge TEMPLATE template0 ENCODING 'UTF8'
    LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE ALL ON DATABASE hudhud_edge FROM PUBLIC;
