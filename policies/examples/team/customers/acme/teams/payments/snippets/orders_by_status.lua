-- How many orders there are of each status, and what they come to. All pages are read.
---@param customer? string  only this customer's
---@return table<string,{orders:integer, cents:integer}>
local out, cursor = {}, nil
repeat
	local page = notes.list_orders{cursor = cursor, limit = 50}
	for _, o in ipairs(page.orders) do
		if args.customer == nil or o.customer == args.customer then
			local sum = out[o.status] or {orders = 0, cents = 0}
			sum.orders = sum.orders + 1
			sum.cents = sum.cents + o.total_cents
			out[o.status] = sum
		end
	end
	cursor = page.next_cursor
until cursor == nil
return out
