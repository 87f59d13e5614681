// Requisitions: SAP gives out the number, and items by tens.
'use strict';
const { addParts } = require('./parts');

let documents = 10000000;

module.exports = {
    getInitialDataSet() {
        return [];
    },
    async onBeforeAddEntry(_keys, header) {
        header.PurchaseRequisition = String(++documents).padStart(10, '0');
        header.to_PurchaseReqnItem.forEach((item, index) => {
            item.PurchaseRequisition = header.PurchaseRequisition;
            item.PurchaseRequisitionItem = String((index + 1) * 10).padStart(5, '0');
        });
    },
    async onAfterAddEntry(_keys, header, request) {
        await addParts(this.base, 'A_PurchaseRequisitionItem', header.to_PurchaseReqnItem, () => ({}), request);
    },
};
