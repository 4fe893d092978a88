"""`regulars demo`: a year of a grocer's loyalty cards through the whole of what this server does.

run      what happens in which order
journey  the files: what is in them, as rows of ours
shift    by how many weeks the past is moved to end just now
server   the deployment it runs against: found running, or started for the time of the demo
client   what is asked of that deployment over HTTP
loading  from rows to members, items and events, through the same services as any import
checking what came back over HTTP, compared with the files
story    one member, told from what the API answers
report   how all of it is said

The demo's audiences: audiences, report_audiences. The demo's campaigns, by a clock of its own:

campaigns  six campaigns, three channels, four weeks, as data
reaching   who is reached where, simulated
stage      web, sender and simulated platforms on a clock that the demo moves
sending    plan, what-if, and each day's messages
lifting    what they changed, twice, and how often such measurements hold the truth
"""
