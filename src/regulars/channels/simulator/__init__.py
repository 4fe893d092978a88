"""A local, stateful stand-in for LINE and Telegram, as their own documents describe them.

Decides what a platform would answer, keep and send back; knows none of our adapters, so that both sides can be wrong only
once. Nothing is kept on disk.

    server      bytes in, bytes out: which platform or page a request is for, faults
    line/       the Messaging API                    telegram/   the Bot API
    world       accounts and people of both, the clock, what came in
    mail        a mail server that takes and logs all, for who sends mails too
    webhooks    what a platform sends back, signed, and again where it was not taken
    control     what a test or a person at the page asks the simulator itself
    page/       the phones, to look at
"""
