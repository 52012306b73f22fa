-- The clock of people whose phone's country does not tell it, or tells it wrongly.

ALTER TABLE contacts ADD COLUMN timezone text;
