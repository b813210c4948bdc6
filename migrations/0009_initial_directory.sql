-- The directory that a new installation starts with. The operator changes it with `credenza suppliers import`.
--
-- SanMar's prices and stock are each customer's own: a shared login must not answer for them.

insert into suppliers (code, name, excluded_services, created_at, modified_on)
select code, name, excluded_services, now(), now()
from (values
    ('SanMar', 'SanMar', array['PPC', 'INV']),
    ('SanMarCA', 'SanMar Canada', array[]::text[]),
    ('HIT', 'Hit Promotional Products', array[]::text[]),
    ('PCNA', 'PCNA', array[]::text[]),
    ('Ariel', 'Ariel Premium Supply', array[]::text[]),
    ('alphabroder', 'alphabroder', array[]::text[]),
    ('ETS', 'ETS Express', array[]::text[]),
    ('SS', 'S&S Activewear', array[]::text[]),
    ('kooziegroup', 'Koozie Group', array[]::text[]),
    ('snugz', 'Snugz', array[]::text[]),
    ('Hirsch', 'Hirsch Gift', array[]::text[]),
    ('LMRK', 'Logomark', array[]::text[]),
    ('MAG', 'The Magnet Group', array[]::text[]),
    ('Gold', 'Gold Bond World Wide', array[]::text[]),
    ('CAP', 'Cap America', array[]::text[]),
    ('STOUSE', 'Stouse', array[]::text[]),
    ('tekweld', 'Tekweld', array[]::text[]),
    ('RainingRose', 'Raining Rose', array[]::text[]),
    ('terry', 'Terrytown', array[]::text[]),
    ('towelspecialties', 'Towel Specialties', array[]::text[]),
    ('sign', 'Showdown Displays', array[]::text[]),
    ('orbus', 'Orbus', array[]::text[]),
    ('digispec', 'Digispec', array[]::text[]),
    ('belpromo', 'Belpromo', array[]::text[]),
    ('POPPROMOS', 'Pop! Promos', array[]::text[]),
    ('PEERLESSUMBRELLACO', 'Peerless Umbrella Co.', array[]::text[]),
    ('DIAMONDBACKBRANDING', 'Diamondback Branding', array[]::text[]),
    ('JOURNALBOOKSTIMEPLANNER', 'JournalBooks/Timeplanner', array[]::text[]),
    ('Protowels', 'Protowels', array[]::text[])
) as directory (code, name, excluded_services);
