-- A new row has its version from the default of the column; only an update needs the trigger of 0050. In an import it was a sixth
-- of what Postgres spends on inserting the rows, and more.

drop trigger supplier_credentials_version on supplier_credentials;
create trigger supplier_credentials_version before update on supplier_credentials
    for each row execute function renew_version();
drop trigger service_credentials_version on service_credentials;
create trigger service_credentials_version before update on service_credentials
    for each row execute function renew_version();
