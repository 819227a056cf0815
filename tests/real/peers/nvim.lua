-- An LSP session of Neovim: nvim --headless -u NONE --cmd "lua peer = {folder=, file=, command=}" -c "luafile nvim.lua"
-- Prints what came, as JSON, one line a step.
local function say(step, what)
  io.stdout:write(vim.json.encode({ step = step, what = what }) .. '\n')
end

vim.o.hidden = true
vim.cmd('edit ' .. peer.folder .. '/' .. peer.file)
local id = vim.lsp.start_client({ name = 'peer', cmd = peer.command, root_dir = peer.folder })
vim.lsp.buf_attach_client(0, id)
local function wait(what)
  if not vim.wait(60000, what, 20) then
    io.stderr:write('waited in vain\n')
    vim.cmd('cquit')
  end
end
wait(function() return #vim.diagnostic.get(0) > 0 end)
say('diagnostics', vim.tbl_map(function(each) return each.lnum end, vim.diagnostic.get(0)))
local at = vim.lsp.util.make_position_params()
at.position = { line = 0, character = 4 }
for _, method in ipairs({ 'hover', 'documentSymbol', 'definition' }) do
  local answers = vim.lsp.buf_request_sync(0, 'textDocument/' .. method, at, 60000)
  say(method, answers[id] ~= nil and answers[id].result ~= nil)
end
vim.api.nvim_buf_set_lines(0, -1, -1, false, { 'int three;' })
vim.lsp.stop_client(id)
wait(function() return vim.lsp.get_client_by_id(id) == nil end)
say('stopped', true)
vim.cmd('qall!')
