-- Measure: what campaigns were found to change, for whoever plans the next ones.

-- Members of one draw whose windows are over: draw is a plan, or the month in which something set the campaign off, as -YYYYMM.
-- Withheld are by the campaign's own holdout alone. goal is what was counted.
create table measure_lifts (
    brand_id int not null,
    campaign text collate "C" not null,
    draw bigint not null,
    holdout double precision not null,
    goal jsonb not null,
    treated int not null,
    treated_converted int not null,
    withheld int not null,
    withheld_converted int not null,
    measured_at timestamptz not null,
    primary key (brand_id, campaign, draw, holdout)
);

-- When a campaign was last counted, by which goal; is_final: its windows were over, and events that come late had had their time.
create table measure_counted (
    brand_id int not null,
    campaign text collate "C" not null,
    goal jsonb not null,
    is_final boolean not null,
    counted_at timestamptz not null,
    primary key (brand_id, campaign)
);

create view facts.lifts as
select brand_id, campaign, goal, treated, treated_converted, withheld, withheld_converted from measure_lifts;
