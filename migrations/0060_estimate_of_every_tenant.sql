-- As in 0020, in words of which the planner makes nothing. Of `is not distinct from` it thinks that one row in 200 passes, so
-- an operation on the whole installation that goes through a table in pages, by the primary key, looked to it as if the end
-- were near: it read and sorted the whole table for each page. Now it expects every second row, and walks along the index.
create or replace function every_tenant() returns boolean language sql stable parallel safe
    return coalesce(current_setting('credenza.every_account', true) = 'on', false);
