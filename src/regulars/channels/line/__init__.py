"""LINE: the Messaging API of one official account. `adapter` has the channel."""
