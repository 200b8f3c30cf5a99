# Nothing to declare: it is compiled because what draws is called twice for each message.
