// Confirmations: SAP gives out group (per operation) and count; a reversal is one more confirmation.
'use strict';
const { addParts, refuse } = require('./parts');

const groups = new Map();
let documents = 5000000000;

function number(confirmation) {
    const operation = `${confirmation.OrderID}|${confirmation.OrderOperation}`;
    const group = groups.get(operation) ?? { number: groups.size + 1, count: 0 };
    groups.set(operation, group);
    group.count += 1;
    confirmation.ConfirmationGroup = String(group.number).padStart(10, '0');
    confirmation.ConfirmationCount = String(group.count).padStart(8, '0');
}

module.exports = {
    getInitialDataSet() {
        return [];
    },
    async onBeforeAddEntry(_keys, confirmation) {
        number(confirmation);
    },
    async onAfterAddEntry(_keys, confirmation, request) {
        const { ConfirmationGroup, ConfirmationCount } = confirmation;
        const own = () => ({
            ConfirmationGroup,
            ConfirmationCount,
            MaterialDocument: String(++documents),
            MaterialDocumentYear: '2026',
            MaterialDocumentItem: '0001',
        });
        const parts = confirmation.to_ProdnOrdConfMatlDocItm ?? [];
        await addParts(this.base, 'ProdnOrdConfMatlDocItm', parts, own, request);
    },
    async executeAction(action, parameters, _keys, request) {
        const { ConfirmationGroup, ConfirmationCount } = parameters;
        const found = (await this.base.fetchEntries({ ConfirmationGroup, ConfirmationCount }, request))[0];
        if (!found) {
            refuse(this, 'RU/001', 'Confirmation does not exist');
        }
        if (found.IsReversed || found.IsReversal) {
            refuse(this, 'RU/122', 'Confirmation is cancelled already');
        }
        const { ExternalSystemConfirmation, PostingDate } = parameters;
        const reversal = { ...found, ExternalSystemConfirmation, PostingDate, IsReversal: true };
        number(reversal);
        const items = await this.base.getEntityInterface('ProdnOrdConfMatlDocItm');
        const moved = (await items.getAllEntries(request)).filter(
            (item) => item.ConfirmationGroup === ConfirmationGroup && item.ConfirmationCount === ConfirmationCount
        );
        await this.base.updateEntry({ ConfirmationGroup, ConfirmationCount }, { IsReversed: true }, request);
        await this.base.addEntry(reversal);
        const own = (item) => ({
            ConfirmationGroup: reversal.ConfirmationGroup,
            ConfirmationCount: reversal.ConfirmationCount,
            MaterialDocument: String(++documents),
            GoodsMovementType: { 101: '102', 261: '262' }[item.GoodsMovementType],
        });
        await addParts(this.base, 'ProdnOrdConfMatlDocItm', moved, own, request);
        return reversal;
    },
};
