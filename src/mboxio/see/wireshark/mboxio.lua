-- mboxio: dissector for Wireshark
--
-- Shows captures of mailbox traffic: what was said, which reply answers which request, what went wrong.
-- `mboxio wireshark` installs it; or: tshark -X lua_script:FILE -r CAPTURE. For Wireshark 4.0 and later.
-- Add your own dissectors of messages in a file that is loaded after this one, by the name of a channel:
--   DissectorTable.get("mboxio.channel"):add("pmic", my_proto)
-- or in "mboxio.protocol" by a protocol, which the preference "protocols" ties to channels.

local known, there = pcall(Dissector.get, "mboxio")
if known and there then return end -- installed, and named by -X lua_script as well

local REQUEST, MESSAGE, REPLY, ANSWER, REMOTE_REQUEST, NOTIFICATION = 1, 2, 3, 4, 5, 6
local QUEUED, TX_DONE, ENDED, LINK, LATE, UNKNOWN, REFUSED, BUSY = 7, 8, 9, 10, 11, 12, 13, 14
local FREED, LOST, LEFT, STOPPED, OUT_OF_STEP, DOORBELL, OVERFLOW = 15, 16, 17, 18, 19, 20, 21
local KINDS = { "Request", "Message", "Reply", "Answer", "Remote request", "Notification", "Queued",
  "TX done", "Ended", "Link", "Late reply", "Unknown reply", "Refused", "Busy", "Freed", "Lost events",
  "Left", "Queue stopped", "Out of step", "Doorbell", "Overflow" }
local OUTCOMES = { [0] = "new", "queued", "sending", "sent", "awaiting reply", "done", "failed",
  "timed out", "cancelled", "closed" }
local DONE, TIMED_OUT, CANCELLED = 5, 7, 8
local HANDED_OVER = { [0] = "no", "yes", "unknown", "accepted" }
local NO_TAG, HEAD_BYTES, VERSION = 0xFFFFFFFF, 24, 1
local function set(...)
  local found = {} for _, each in ipairs { ... } do found[each] = true end return found
end
local SENT_BY_HOST = set(REQUEST, MESSAGE, ANSWER)
local SENT_BY_REMOTE = set(REPLY, REMOTE_REQUEST, NOTIFICATION, LATE, UNKNOWN)
local ASKS, ANSWERS = set(REQUEST, REMOTE_REQUEST), set(REPLY, ANSWER)
local BEGINS = set(REQUEST, MESSAGE, REMOTE_REQUEST)
local TELLS_STATUS = set(REPLY, ANSWER, LATE, UNKNOWN, TX_DONE) -- elsewhere the text tells more
local IS_TEXT = set(ENDED, LINK, REFUSED, FREED, STOPPED)
local SHOWN_BYTES = 16 -- of a message, in the list of packets

local mbox = Proto("mboxio", "Mailbox")
local f = {
  version = ProtoField.uint8("mboxio.version", "Version"),
  kind = ProtoField.uint8("mboxio.kind", "Kind", base.DEC, KINDS),
  at_remote = ProtoField.bool("mboxio.at_remote", "Seen by the remote", 8, nil, 0x08),
  expects_reply = ProtoField.bool("mboxio.expects_reply", "Expects a reply", 8, nil, 0x01),
  handed_over = ProtoField.uint8("mboxio.handed_over", "Handed over", base.DEC, HANDED_OVER, 0x06),
  outcome = ProtoField.uint8("mboxio.outcome", "State", base.DEC, OUTCOMES),
  status = ProtoField.int32("mboxio.status", "Status"),
  number = ProtoField.uint64("mboxio.request", "Request"),
  tag = ProtoField.uint32("mboxio.tag", "Tag"),
  channel = ProtoField.uint16("mboxio.channel", "Channel number"),
  channel_name = ProtoField.string("mboxio.channel_name", "Channel"),
  connected = ProtoField.bool("mboxio.connected", "Connected"),
  epoch = ProtoField.uint32("mboxio.epoch", "Epoch"),
  dropped = ProtoField.int32("mboxio.dropped", "Messages thrown away for a subscriber"),
  lost = ProtoField.uint64("mboxio.lost", "Events lost before this one"),
  text = ProtoField.string("mboxio.text", "Text"),
  message = ProtoField.bytes("mboxio.message", "Message"),
  length = ProtoField.uint32("mboxio.length", "Length of the message"),
  response_in = ProtoField.framenum("mboxio.response_in", "Response in", base.NONE, frametype.RESPONSE),
  response_to = ProtoField.framenum("mboxio.response_to", "Response to", base.NONE, frametype.REQUEST),
  request_in = ProtoField.framenum("mboxio.request_in", "Request in", base.NONE, frametype.REQUEST),
  ended_in = ProtoField.framenum("mboxio.ended_in", "Ended in", base.NONE, frametype.NONE),
  late_in = ProtoField.framenum("mboxio.late_in", "Late reply in", base.NONE, frametype.RESPONSE),
  freed_in = ProtoField.framenum("mboxio.freed_in", "Freed in", base.NONE, frametype.NONE),
  queued_time = ProtoField.relative_time("mboxio.queued_time", "Time in the queue"),
  time = ProtoField.relative_time("mboxio.time", "Time since the request"),
}
local e, FINDINGS = {}, {} -- those by kinds always mean the same
for name, each in pairs {
  no_reply = { "Request without a reply", "SEQUENCE", "WARN" },
  pending = { "No end of the request in this capture", "SEQUENCE", "NOTE" },
  no_request = { "No request for it in this capture", "SEQUENCE", "NOTE" },
  late = { "Late reply: its request was over", "SEQUENCE", "WARN", LATE },
  unknown_reply = { "Reply that answers no known request", "SEQUENCE", "WARN", UNKNOWN },
  error_status = { "The remote reports an error", "RESPONSE_CODE", "WARN" },
  not_sent = { "The message never reached the remote", "RESPONSE_CODE", "WARN" },
  not_done = { "Request ended otherwise than done", "RESPONSE_CODE", "WARN" },
  given_up = { "Request cancelled, or its connection closed", "RESPONSE_CODE", "NOTE" },
  held = { "Held after the end of the request", "SEQUENCE", "NOTE" },
  freed = { "What an ended request held was freed", "SEQUENCE", "NOTE", FREED },
  refused = { "Message refused", "PROTOCOL", "WARN", REFUSED },
  busy = { "No room in the hardware: it will be tried again", "PROTOCOL", "NOTE", BUSY },
  link_lost = { "Link lost", "PROTOCOL", "WARN" },
  stopped = { "Queue stopped", "PROTOCOL", "ERROR", STOPPED },
  out_of_step = { "Channel out of step: a reply is missing", "SEQUENCE", "ERROR", OUT_OF_STEP },
  overflow = { "A subscriber reads too slowly", "PROTOCOL", "WARN" },
  events_lost = { "Events lost before this one", "SEQUENCE", "WARN" },
  cut = { "Message cut by the recording", "UNDECODED", "NOTE" },
  newer = { "Written by a later version of mboxio", "UNDECODED", "NOTE" },
  malformed = { "Malformed head", "MALFORMED", "ERROR" },
} do
  e[name] = ProtoExpert.new("mboxio." .. name, each[1], expert.group[each[2]], expert.severity[each[3]])
  if each[4] then FINDINGS[each[4]] = { e[name], each[1] } end
end

mbox.fields, mbox.experts = f, e
mbox.prefs.protocols = Pref.string("Protocols of channels", "property=rpi-property",
  "Channels and the protocols of their messages: NAME=PROTOCOL, NAME=PROTOCOL. " ..
  "Built in are rpi-property and acpm-pmic.")
local by_channel = DissectorTable.new("mboxio.channel", "mboxio channel", ftypes.STRING, base.NONE, mbox)
local by_protocol = DissectorTable.new("mboxio.protocol", "mboxio protocol", ftypes.STRING, base.NONE, mbox)

local function field(name) -- nil where this Wireshark has no such field
  local is_there, found = pcall(Field.new, name)
  return is_there and found or function() return nil end
end
local interface_id, interface_name = field("frame.interface_id"), field("frame.interface_name")
local interface_description, drop_count = field("frame.interface_description"), field("frame.drop_count")

-- Texts of others: UTF-8 or "?", no control characters of terminals, nor of writing direction.
local UTF8 = {
  "^[\194-\223][\128-\191]", "^\224[\160-\191][\128-\191]", "^[\225-\236\238\239][\128-\191][\128-\191]",
  "^\237[\128-\159][\128-\191]", "^\240[\144-\191][\128-\191][\128-\191]",
  "^[\241-\243][\128-\191][\128-\191][\128-\191]", "^\244[\128-\143][\128-\191][\128-\191]",
}
local function clean_run(run) -- of bytes beyond ASCII
  local kept, at = {}, 1
  while at <= #run do
    local found
    for _, each in ipairs(UTF8) do found = found or run:match(each, at) end
    kept[#kept + 1] = found or "?"
    at = at + (found and #found or 1)
  end
  return table.concat(kept)
end
local function clean(text)
  text = text:gsub("[\128-\255]+", clean_run):gsub("\194[\128-\159]", "?"):gsub("\216\156", "?")
  text = text:gsub("\226\128[\142\143\168-\174]", "?"):gsub("\226\129[\166-\169]", "?")
  return (text:gsub("[\0-\31\127]", function(c) return string.format("\\x%02x", c:byte()) end))
end

-- What packets before this one told. Packets come in order once; what is found then is kept per frame.
local frames, places = {}, {}
function mbox.init() frames, places = {}, {} end

local protocols = {}
local function read_protocols()
  protocols, places = {}, {}
  for name, each in mbox.prefs.protocols:gmatch("([^=,%s]+)%s*=%s*([^=,%s]+)") do protocols[name] = each end
end
mbox.prefs_changed = read_protocols
read_protocols()

local function place_of(channel, at_remote) -- the channel, as one side sees it
  local id = interface_id()
  local key = ((id and id.value or -1) * 65536 + channel) * 2 + (at_remote and 1 or 0)
  local place = places[key]
  if not place then
    local name, description = interface_name(), interface_description()
    place = { numbered = {}, tagged = {}, asked = {} } -- the latest requests, by what names them
    place.name = name and clean(tostring(name.value)) or "channel " .. channel
    -- A name that JSON writes with escapes is taken from the interface's, where it stands last.
    local json = description and tostring(description.value) or ""
    local function said(what) return json:match('"' .. what .. '"%s*:%s*"([^"\\]*)"') end
    place.channel = said("channel") or place.name:match("([^/]*)$")
    local protocol = said("protocol") or protocols[place.channel]
    place.dissector = by_channel:get_dissector(place.channel) or protocol and by_protocol:get_dissector(protocol)
    places[key] = place
  end
  return place
end

-- The requests of a place of which a packet tells one, and under which number; nil: it tells of none.
local function requests_of(place, kind, number, tag, at_remote)
  local asked_by_remote = kind == REMOTE_REQUEST or kind == ANSWER
  if asked_by_remote and tag ~= NO_TAG then return place.asked, tag end
  if number ~= 0 then return place.numbered, number end
  if at_remote and tag ~= NO_TAG then return place.tagged, tag end
  return nil
end

-- Note what a packet tells of its request, in the order of the capture. What was taken back is sent again:
-- that is an attempt of its own.
local function follow(requests, key, frame, now, kind, outcome)
  local request = requests[key]
  if BEGINS[kind] or kind == QUEUED or kind == REFUSED then
    if not request or request.ended or request.busy or (BEGINS[kind] and request.frame) then
      request = {}
      requests[key] = request
    end
    if kind == QUEUED then request.queued = request.queued or now
    elseif BEGINS[kind] then request.frame, request.time = frame, now end
  end
  if not request then return end
  frames[frame] = request
  if ANSWERS[kind] then request.reply = request.reply or frame end
  if kind == LATE then request.late = request.late or frame end
  if kind == FREED then request.freed = request.freed or frame end
  if kind == BUSY then request.busy = frame end
  local over = (kind == REPLY or kind == TX_DONE or kind == ENDED) and outcome >= DONE
  if over or kind == ANSWER or kind == REFUSED then
    request.ended, request.outcome = request.ended or frame, request.outcome or outcome
  end
end

-- Fields are costly, and only some are shown or asked for.
local function add(tree, which, tvb, at, length)
  if tree:referenced(which) then tree:add_le(which, tvb(at, length)) end
end

local function add_found(tree, which, value)
  if value and tree:referenced(which) then tree:add(which, value):set_generated() end
end

local function add_time(tree, which, seconds)
  if math.abs(seconds) > 1e9 or not tree:referenced(which) then return end -- clocks of two recordings
  local ns = math.floor(math.abs(seconds) * 1e9 + 0.5)
  local whole = math.floor(ns / 1e9)
  local sign = seconds < 0 and -1 or 1
  tree:add(which, NSTime.new(sign * whole, sign * (ns - whole * 1000000000))):set_generated()
end

local function shown_time(seconds)
  local size = math.abs(seconds)
  if size < 1e-3 then return string.format("%.1f us", seconds * 1e6) end
  if size < 1 then return string.format("%.3f ms", seconds * 1e3) end
  return string.format("%.3f s", seconds)
end

-- Links to the other packets of the request; returns what belongs into the list of packets.
local function add_links(tree, request, frame, now, kind, visited)
  if BEGINS[kind] then
    if request.queued then add_time(tree, f.queued_time, now - request.queued) end
    add_found(tree, f.response_in, request.reply)
    add_found(tree, f.late_in, request.late)
    add_found(tree, f.ended_in, request.ended ~= request.reply and request.ended)
    if not visited or not ASKS[kind] or request.reply then return "" end
    if request.busy then return ", taken back" end
    if request.ended then
      local how = OUTCOMES[request.outcome] or "ended"
      tree:add_proto_expert_info(e.no_reply, "Request without a reply: " .. how)
      return ", no reply: " .. how
    end
    tree:add_proto_expert_info(e.pending)
    return ", no reply"
  end
  add_found(tree, (ANSWERS[kind] or kind == LATE) and f.response_to or f.request_in, request.frame)
  if kind == ENDED then
    add_found(tree, f.late_in, request.late) add_found(tree, f.freed_in, request.freed)
  end
  local since = request.time or request.queued
  if not since or kind == QUEUED then return "" end
  add_time(tree, f.time, now - since)
  return " after " .. shown_time(now - since)
end

local function add_findings(tree, kind, status, outcome, handed_over, text, request, visited)
  local function tell(what, words)
    tree:add_proto_expert_info(what, text ~= "" and words .. ": " .. text or words)
  end
  local found = FINDINGS[kind]
  if found then tell(found[1], found[2])
  elseif kind == ENDED then tell(outcome > TIMED_OUT and e.given_up or e.not_done, "Request " .. (OUTCOMES[outcome] or "ended"))
  elseif kind == LINK and outcome == 0 then tell(e.link_lost, "Link lost")
  elseif kind == OVERFLOW then tell(e.overflow, status .. " messages thrown away: a subscriber reads too slowly")
  elseif kind == TX_DONE and status ~= 0 then tell(e.not_sent, "The message never reached the remote, status " .. status)
  elseif ANSWERS[kind] and status ~= 0 then tell(e.error_status, "Error " .. status)
  end
  if ANSWERS[kind] and not request then tree:add_proto_expert_info(e.no_request) end
  if kind ~= ENDED or not visited or not request then return end
  if request.freed then
    tree:add_proto_expert_info(e.held, "Held after the end, and freed later")
  elseif handed_over ~= 0 and (outcome == TIMED_OUT or outcome == CANCELLED) then
    tree:add_proto_expert_info(e.held, "Held after the end, and not freed in this capture")
  end
end

-- The message of a packet: a text, or bytes that somebody may know; returns the text.
local function add_message(root, tvb, from, kind)
  local rest = tvb:len() - from
  local whole = tvb:reported_len() - from
  if whole > rest then
    root:add(f.length, whole):set_generated()
    root:add_proto_expert_info(e.cut, "Message cut by the recording: " .. rest .. " of " .. whole .. " bytes")
  end
  if rest <= 0 then return "" end
  if not IS_TEXT[kind] then
    add(root, f.message, tvb, from, rest)
    return ""
  end
  local text = clean(tvb:raw(from, rest))
  root:add(f.text, tvb(from, rest), text)
  return text
end

local HEX = {}
for byte = 0, 255 do HEX[string.char(byte)] = string.format(" %02x", byte) end

local function add_payload(tvb, pinfo, tree, from, place, status)
  local said = status ~= 0 and tvb:raw(from):match("^[\32-\126]+$") -- an error may be a text
  if said then return pinfo.cols.info:append(": " .. said) end
  if place.dissector and status == 0 then return place.dissector:call(tvb(from):tvb(), pinfo, tree) end
  local count = math.min(tvb:len() - from, SHOWN_BYTES)
  local more = tvb:len() - from > count and " ..." or ""
  pinfo.cols.info:append(":" .. tvb:raw(from, count):gsub(".", HEX) .. more)
end

local function summary(kind, number, tag, status, outcome, handed_over, times)
  if kind == LINK then
    return outcome == 0 and "Link lost" or status == -1 and "Link up" or string.format("Link up, epoch %.0f", status % 4294967296.0)
  end
  if kind == OVERFLOW then return "Overflow, " .. status .. " messages thrown away" end
  local over = kind == ENDED and outcome >= DONE and OUTCOMES[outcome]
  local info = over and over:gsub("^%l", string.upper) or KINDS[kind] or "Unknown kind " .. kind
  if number ~= 0 then info = string.format("%s #%.0f", info, number) end
  if tag ~= NO_TAG then info = info .. ", tag " .. tag end
  if status ~= 0 and TELLS_STATUS[kind] then info = info .. ", error " .. status end
  info = info .. times
  if kind == ENDED or (kind == REQUEST and handed_over > 1) then
    info = info .. ", handed over: " .. HANDED_OVER[handed_over]
  end
  return info
end

local function set_columns(pinfo, kind, place, at_remote)
  local here = at_remote and place.name .. " (remote)" or place.name
  local by_host = SENT_BY_HOST[kind] or (kind == DOORBELL and not at_remote)
  local by_remote = SENT_BY_REMOTE[kind] or (kind == DOORBELL and at_remote)
  pinfo.cols.src = by_host and "host" or here
  pinfo.cols.dst = by_host and here or by_remote and "host" or "-"
end

local function u32(head, at)
  local a, b, c, d = head:byte(at + 1, at + 4)
  return a + b * 256 + c * 65536 + d * 16777216
end

local function fault_of(length, version, from)
  if length < HEAD_BYTES then return "the packet has " .. length .. " bytes, its head " .. HEAD_BYTES end
  if version < VERSION then return "version " .. version end
  if from < HEAD_BYTES or from > length then return "a head of " .. from .. " bytes in a packet of " .. length end
end

function mbox.dissector(tvb, pinfo, tree)
  pinfo.cols.protocol = "MBOXIO"
  local root = tvb:len() > 0 and tree:add(mbox, tvb()) or tree:add(mbox)
  local head = tvb:raw(0, math.min(tvb:len(), HEAD_BYTES))
  local version, kind, flags, outcome = head:byte(1, 4)
  local from = head:byte(23)
  local fault = fault_of(tvb:len(), version, from)
  if fault then
    pinfo.cols.info = "Malformed: " .. fault
    root:add_proto_expert_info(e.malformed, "Malformed head: " .. fault)
    return tvb:len()
  end
  local status, number = u32(head, 4), u32(head, 8) + u32(head, 12) * 4294967296.0
  if status >= 2147483648 then status = status - 4294967296 end
  local tag, channel = u32(head, 16), u32(head, 20) % 65536
  local handed_over, at_remote = math.floor(flags / 2) % 4, math.floor(flags / 8) % 2 == 1
  local place = place_of(channel, at_remote)

  add(root, f.version, tvb, 0, 1)
  add(root, f.kind, tvb, 1, 1)
  if version > VERSION or not KINDS[kind] then root:add_proto_expert_info(e.newer) end
  add_found(root, f.channel_name, place.channel)
  add(root, f.channel, tvb, 20, 2)
  add(root, f.at_remote, tvb, 2, 1)
  if number ~= 0 then add(root, f.number, tvb, 8, 8) end
  if tag ~= NO_TAG then add(root, f.tag, tvb, 16, 4) end
  if kind == LINK then
    root:add(f.connected, tvb(3, 1), outcome ~= 0)
    if outcome ~= 0 and status ~= -1 then add(root, f.epoch, tvb, 4, 4) end
  elseif kind == OVERFLOW then
    add(root, f.dropped, tvb, 4, 4)
  else
    add(root, f.expects_reply, tvb, 2, 1)
    add(root, f.handed_over, tvb, 2, 1)
    add(root, f.outcome, tvb, 3, 1)
    add(root, f.status, tvb, 4, 4)
  end

  local frame, now = pinfo.number, pinfo.rel_ts
  if not pinfo.visited then
    local requests, key = requests_of(place, kind, number, tag, at_remote)
    if requests then follow(requests, key, frame, now, kind, outcome) end
  end
  local request = frames[frame]
  local text = add_message(root, tvb, from, kind)
  local times = request and add_links(root, request, frame, now, kind, pinfo.visited) or ""
  add_findings(root, kind, status, outcome, handed_over, text, request, pinfo.visited)

  local info = summary(kind, number, tag, status, outcome, handed_over, times)
  local dropped = drop_count()
  local lost = dropped and tostring(dropped.value) or "0"
  if lost ~= "0" then
    root:add(f.lost, dropped.value):set_generated()
    root:add_proto_expert_info(e.events_lost, lost .. " events lost before this one")
    info = kind == LOST and lost .. " events lost" or info .. ", " .. lost .. " events lost before"
  end
  if text ~= "" then info = info .. ": " .. text end
  pinfo.cols.info = info
  set_columns(pinfo, kind, place, at_remote)
  if tvb:len() > from and (SENT_BY_HOST[kind] or SENT_BY_REMOTE[kind]) then
    add_payload(tvb, pinfo, tree, from, place, status)
  end
  return tvb:len()
end

-- Payload dissectors of our own, which are also an example.
local folder = debug.getinfo(1, "S").source:match("^@(.-)[^/\\]*$")
local payloads = folder and folder .. "mboxio_payloads.lua"
local file = folder and io.open(payloads)
if file then file:close() dofile(payloads) end
