-- Puts a test event for a URL into the outbox. args: id, account, url, type.
put_delivery({id = args.id, account = args.account, url = args.url, type = args.type, sequence = 0, job_id = ''})
return 1
